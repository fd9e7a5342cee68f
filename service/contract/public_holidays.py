"""Public holidays of a country, or of a part of it, from the library `holidays` (the extra of that name)."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.datetime64]

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""No holidays are looked for beyond these."""


def check_holidays(code: str) -> None:
    """Do nothing where the holidays of `code`, such as `DE` or `US-CA`, are known.

    Raises:
        ValueError: no such country or part of it, or the library is not installed.
    """
    if re.fullmatch(r"[A-Z]{2}(-.{1,60})?", code) is None:
        raise ValueError(f"holidays {code!r}: write a country of ISO 3166, or a part of one, such as DE or US-CA")
    try:
        from holidays import country_holidays
    except ImportError as error:
        raise ValueError(f"holidays {code!r} are those of the library `holidays`: `pip install 'carousel-serve[holidays]'`") from error
    country, _, part = code.partition("-")
    try:
        country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        listed = "`python -c 'import holidays; print(holidays.list_supported_countries())'`"
        raise ValueError(f"holidays {code!r} are not known: {listed} lists countries and their parts") from error


def is_holiday(days: Days, code: str) -> NDArray[np.bool_]:
    """Which of these `datetime64[D]` are holidays of `code`, (n,)."""
    years = np.unique(days.astype("datetime64[Y]").astype(np.int64) + 1970)
    known = [_of_year(code, int(year)) for year in years if FIRST_YEAR <= year <= LAST_YEAR]
    return np.isin(days, np.concatenate(known)) if known else np.zeros(len(days), np.bool_)


@lru_cache(maxsize=1024)
def _of_year(code: str, year: int) -> Days:
    from holidays import country_holidays

    country, _, part = code.partition("-")
    return np.array(sorted(country_holidays(country, subdiv=part or None, years=year, expand=False)), "datetime64[D]")

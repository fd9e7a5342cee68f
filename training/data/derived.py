"""Which features the times of a table's series give."""

from __future__ import annotations

import numpy as np

from service.contract.calendar import HOLIDAY_FEATURES, calendar_features
from service.contract.clock import Clock
from service.contract.public_holidays import is_holiday
from training.config import ForecastConfig
from training.data.files import DataError

CYCLE_DAYS = {"hour_of_day": 1, "day_of_week": 7, "day_of_month": 31, "day_of_year": 366, "month_of_year": 366}
"""Days after which a calendar feature comes round."""


def calendar_of(
    config: ForecastConfig, clock: Clock, *, first: np.datetime64, last: np.datetime64
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the features to derive, and what was left out in plain words; the longest series has these local times `first` and `last`.

    It must hold each feature's cycle, or a holiday, twice: what was seen once tells nothing of the next time.

    Raises:
        DataError: holidays for steps of more than a day.
    """
    days = (last - first).astype("timedelta64[D]").astype(np.int64)
    cycles = calendar_features(clock.frequency) if config.calendar else ()
    names = tuple(name for name in cycles if days >= 2 * CYCLE_DAYS[name])
    if clock.holidays is None:
        return names, ()
    if clock.frequency.unit not in ("s", "min", "h", "D", "B"):
        raise DataError(f"--holidays {clock.holidays}: steps of {clock.frequency} are longer than a day: leave it out")
    dates = np.arange(first.astype("datetime64[D]"), last.astype("datetime64[D]") + 1)
    seen = int(is_holiday(dates, clock.holidays).sum())
    if seen < 2:
        return names, (f"holidays of {clock.holidays} left out, {seen} of which lie within the series",)
    return (*names, *HOLIDAY_FEATURES), ()

"""Covariates that say no more than the time does, as `date_features` of the client `nixtla` makes them: recognised by their values.

The client sends no names, but it sends when each series begins. A column that is such a feature at every step of every series, or is 1
where a feature has one value and 0 elsewhere (one-hot), is one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import Times, weekday
from service.tasks.history import Values

Feature = NDArray[np.int64]


def is_date_feature(column: Values, times: Times) -> bool:
    """Whether a column (time,) of at least one value is a function of its times (time,), of those that the client makes."""
    if not len(column) or np.isnan(column).any():
        return False
    flags = bool(np.isin(column, (0, 1)).all() and column.any())
    return any(_says(column, feature(times), flags=flags) for feature in FEATURES)


def _says(column: Values, feature: Feature, *, flags: bool) -> bool:
    if np.array_equal(column, feature):
        return True
    return flags and np.array_equal(column == 1, feature == feature[int(column.argmax())])


def _year(times: Times) -> Feature:
    return times.astype("datetime64[Y]").astype(np.int64) + 1970


def _month(times: Times) -> Feature:
    return times.astype("datetime64[M]").astype(np.int64) % 12 + 1


def _quarter(times: Times) -> Feature:
    return (_month(times) + 2) // 3


def _week(times: Times) -> Feature:
    """ISO 8601: that of its Thursday, counted in the Thursday's year."""
    thursday = times.astype("datetime64[D]") + 3 - weekday(times)
    week: Feature = (thursday - thursday.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) // 7 + 1
    return week


def _day(times: Times) -> Feature:
    return _since(times, "M", 86_400) + 1


def _day_of_year(times: Times) -> Feature:
    return _since(times, "Y", 86_400) + 1


def _hour(times: Times) -> Feature:
    return _since(times, "D", 3600)


def _minute(times: Times) -> Feature:
    return _since(times, "D", 60) % 60


def _second(times: Times) -> Feature:
    return _since(times, "D", 1) % 60


def _since(times: Times, unit: str, seconds: int) -> Feature:
    passed: Feature = (times - times.astype(f"datetime64[{unit}]").astype("datetime64[s]")).astype(np.int64) // seconds
    return passed


FEATURES: tuple[Callable[[Times], Feature], ...] = (
    *(_year, _quarter, _month, _week, _day, weekday, _day_of_year),
    *(_hour, _minute, _second),
)
"""Features of pandas' names `year`, `quarter`, ..., `weekday`, ..., each from times (time,) to whole numbers (time,)."""

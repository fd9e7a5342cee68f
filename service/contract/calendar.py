"""Calendar features, shared by training and serving so that both derive the same numbers.

Times are `datetime64[s]` in local wall time; a feature is one pure function from times to float32 in [-0.5, 0.5], as in GluonTS.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import SECONDS, Frequency, Times, weekday
from service.contract.public_holidays import is_holiday

Features = NDArray[np.float32]

HOLIDAY_FEATURES = ("holiday", "holiday_eve")
FEATURES = ("hour_of_day", "day_of_week", "day_of_month", "day_of_year", "month_of_year", *HOLIDAY_FEATURES)


def calendar_features(frequency: Frequency) -> tuple[str, ...]:
    """Names of the features that vary and matter at this step in every country."""
    match frequency.unit:
        case "s" | "min" | "h":
            return ("hour_of_day", "day_of_week", "day_of_year")
        case "D" | "B":
            return ("day_of_week", "day_of_month", "day_of_year")
        case "W" | "MS" | "ME" | "QS" | "QE":
            return ("month_of_year",)
        case _:
            return ()


def features_at(times: Times, names: tuple[str, ...], *, holidays: str | None = None) -> Features:
    """The named features of local times, (time, names); `holidays` is the country of those that need one."""
    columns = [_feature(name, times, holidays) for name in names]
    return np.stack(columns, axis=1) if columns else np.empty((len(times), 0), np.float32)


def _feature(name: str, times: Times, holidays: str | None) -> Features:
    match name, holidays:
        case "hour_of_day", _:
            return hour_of_day(times)
        case "day_of_week", _:
            return day_of_week(times)
        case "day_of_month", _:
            return day_of_month(times)
        case "day_of_year", _:
            return day_of_year(times)
        case "month_of_year", _:
            return month_of_year(times)
        case "holiday", str(country):
            return holiday(times, country)
        case "holiday_eve", str(country):
            return holiday_eve(times, country)
        case _:
            raise ValueError(f"unknown calendar feature {name!r}" + (", or no country for it" if name in HOLIDAY_FEATURES else ""))


def hour_of_day(times: Times) -> Features:
    """Time of day, minutes and seconds included: midnight -0.5, noon about 0."""
    return _centred(_since(times, "D") / SECONDS["D"])


def day_of_week(times: Times) -> Features:
    """Monday -0.5 to Sunday 0.5."""
    return _centred(weekday(times) / 6)


def day_of_month(times: Times) -> Features:
    """The 1st -0.5 to the 31st 0.5."""
    return _centred(_since(times, "M") // SECONDS["D"] / 30)


def day_of_year(times: Times) -> Features:
    """1 January -0.5 to 31 December about 0.5."""
    return _centred(_since(times, "Y") // SECONDS["D"] / 365)


def month_of_year(times: Times) -> Features:
    """January -0.5 to December 0.5."""
    return _centred((times.astype("datetime64[M]").astype(np.int64) % 12) / 11)


def holiday(times: Times, country: str) -> Features:
    """A public holiday 0.5, another day -0.5."""
    return _centred(is_holiday(times.astype("datetime64[D]"), country).astype(np.float64))


def holiday_eve(times: Times, country: str) -> Features:
    """The day before a public holiday 0.5, another day -0.5."""
    return _centred(is_holiday(times.astype("datetime64[D]") + 1, country).astype(np.float64))


def _since(times: Times, unit: Literal["D", "M", "Y"]) -> NDArray[np.int64]:
    start = times.astype(f"datetime64[{unit}]").astype("datetime64[s]")
    seconds: NDArray[np.int64] = (times.astype("datetime64[s]") - start).astype(np.int64)
    return seconds


def _centred(fraction: NDArray[np.float64]) -> Features:
    return (fraction - 0.5).astype(np.float32)

"""Time steps and calendar features, shared by training and serving so that both derive the same numbers.

Times are `datetime64[s]` in local wall time; a feature is one pure function from times to float32 in [-0.5, 0.5], as in GluonTS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64]
Features = NDArray[np.float32]

SECONDS = {"s": 1, "min": 60, "h": 3600, "D": 86_400, "W": 604_800}
MONTHS = {"MS": 1, "QS": 3, "YS": 12}
MAX_SPAN_STEPS = 1_000_000
FEATURES = ("hour_of_day", "day_of_week", "day_of_month", "day_of_year", "month_of_year")


@dataclass(frozen=True, slots=True)
class Frequency:
    """A regular step: `count` units of `s | min | h | D | W`, of months (`MS`, `QS`, `YS`: starts), or business days (`B`)."""

    count: int
    unit: Literal["s", "min", "h", "D", "W", "B", "MS", "QS", "YS"]

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """Read `h`, `15min`, `D`, `B`, `MS`, ...

        Raises:
            ValueError: not such a text.
        """
        match = re.fullmatch(r"(\d{0,6})(s|min|h|D|W|B|MS|QS|YS)", text)
        if match is None or match[1] == "0":
            known = ", ".join((*SECONDS, "B", *MONTHS))
            raise ValueError(f"unknown frequency {text!r}: a whole number (1 may be left out) and one of {known}")
        return cls(int(match[1] or 1), match[2])  # type: ignore[arg-type]  # the pattern admits the units only

    def __str__(self) -> str:
        """The text that `parse` reads."""
        return self.unit if self.count == 1 else f"{self.count}{self.unit}"

    def after(self, start: np.datetime64, steps: int) -> Times:
        """The `steps` times that follow `start`, (steps,)."""
        return self.span(start, steps + 1)[1:]

    def span(self, start: np.datetime64, steps: int) -> Times:
        """`steps` times from `start` on, `start` being the first, (steps,)."""
        start = start.astype("datetime64[s]")
        offsets = np.arange(steps) * self.count
        if self.unit == "B":
            day = start.astype("datetime64[D]")
            times: Times = np.busday_offset(day, offsets, roll="backward").astype("datetime64[s]") + (start - day)
        elif self.unit in MONTHS:
            month = start.astype("datetime64[M]")
            into = start - month.astype("datetime64[s]")
            times = (month + offsets * MONTHS[self.unit]).astype("datetime64[s]") + into
        else:
            times = start + offsets * np.timedelta64(SECONDS[self.unit], "s")
        return times

    def steps_between(self, start: np.datetime64, times: Times) -> NDArray[np.int64]:
        """Whole steps from `start` to each of `times`; -1 where a time is not on the grid that begins there, or absurdly far along it."""
        times = times.astype("datetime64[s]")
        if self.unit == "B":
            whole = np.busday_count(start.astype("datetime64[D]"), times.astype("datetime64[D]"))
        elif self.unit in MONTHS:
            whole = (times.astype("datetime64[M]") - start.astype("datetime64[M]")).astype(np.int64) // MONTHS[self.unit]
        else:
            whole = (times - start.astype("datetime64[s]")).astype(np.int64) // SECONDS[self.unit]
        steps = np.maximum(whole // self.count, 0)
        near = steps <= 10 * len(times) + MAX_SPAN_STEPS  # beyond it the grid itself would fill the memory
        steps = np.where(near, steps, 0)
        on_grid = near & (self.span(start, int(steps.max(initial=0)) + 1)[steps] == times)
        return np.where(on_grid, steps, -1)

    @property
    def whole_days(self) -> bool:
        """Whether every step is a number of calendar days: what the clock does within a day then does not matter."""
        return self.unit not in ("s", "min", "h")

    @property
    def seasons(self) -> tuple[int, ...]:
        """Usual season lengths in steps, shortest first: a day, a week or a year, as the step allows."""
        match self.unit:
            case "B":
                return (5,)
            case "MS" | "QS" | "YS":
                yearly = 12 // (MONTHS[self.unit] * self.count)
                return (yearly,) if yearly > 1 else ()
            case "W":
                return (52,) if self.count == 1 else ()
            case _:
                step = SECONDS[self.unit] * self.count
                return tuple(span // step for span in (SECONDS["D"], SECONDS["W"]) if span % step == 0 and span // step > 1)


def infer_frequency(times: Times) -> Frequency:
    """The step of sorted, distinct times: the one most of them keep; gaps are allowed.

    Raises:
        ValueError: fewer than three times, or no step that at least half of them keep.
    """
    times = times.astype("datetime64[s]")
    if len(times) < 3:
        raise ValueError(f"{len(times)} times are too few to infer a frequency: give it")
    steps, counts = np.unique(np.diff(times).astype(np.int64), return_counts=True)
    common = int(steps[counts.argmax()])
    months = np.diff(times.astype("datetime64[M]")).astype(np.int64)
    for unit, size in MONTHS.items():
        if common >= 28 * SECONDS["D"] and np.mean(months == size) > 0.5 and len(np.unique(times - times.astype("datetime64[M]"))) == 1:
            return Frequency(1, unit)  # type: ignore[arg-type]  # a key of MONTHS is a unit
    if common == SECONDS["D"] and not np.any(weekday(times) >= 5) and len(times) > 5:
        return Frequency(1, "B")
    if counts.max() * 2 < len(times) - 1:
        kept = f"the commonest, {common} s, is kept by {counts.max()} of {len(times) - 1} rows"
        raise ValueError(f"no regular step: {kept}: resample the data or give the frequency")
    for unit in ("W", "D", "h", "min", "s"):
        if common % SECONDS[unit] == 0:
            return Frequency(common // SECONDS[unit], unit)  # type: ignore[arg-type]  # a key of SECONDS is a unit
    raise ValueError("steps of less than a second are not supported")


def calendar_features(frequency: Frequency) -> tuple[str, ...]:
    """Names of the features that vary and matter at this step."""
    match frequency.unit:
        case "s" | "min" | "h":
            return ("hour_of_day", "day_of_week", "day_of_year")
        case "D" | "B":
            return ("day_of_week", "day_of_month", "day_of_year")
        case "W" | "MS" | "QS":
            return ("month_of_year",)
        case _:
            return ()


def features_at(times: Times, names: tuple[str, ...]) -> Features:
    """The named features of `times`, (time, names)."""
    columns = [_feature(name, times) for name in names]
    return np.stack(columns, axis=1) if columns else np.empty((len(times), 0), np.float32)


def _feature(name: str, times: Times) -> Features:
    match name:
        case "hour_of_day":
            return hour_of_day(times)
        case "day_of_week":
            return day_of_week(times)
        case "day_of_month":
            return day_of_month(times)
        case "day_of_year":
            return day_of_year(times)
        case "month_of_year":
            return month_of_year(times)
        case _:
            raise ValueError(f"unknown calendar feature {name!r}")


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


def weekday(times: Times) -> NDArray[np.int64]:
    """Monday 0 to Sunday 6 (1970-01-01 was a Thursday)."""
    return (times.astype("datetime64[D]").astype(np.int64) + 3) % 7


def _since(times: Times, unit: Literal["D", "M", "Y"]) -> NDArray[np.int64]:
    start = times.astype(f"datetime64[{unit}]").astype("datetime64[s]")
    seconds: NDArray[np.int64] = (times.astype("datetime64[s]") - start).astype(np.int64)
    return seconds


def _centred(fraction: NDArray[np.float64]) -> Features:
    return (fraction - 0.5).astype(np.float32)

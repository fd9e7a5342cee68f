"""Regular time steps: how they are written, the times they lead to, and the step that given times keep.

Times are `datetime64[s]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64]
Unit = Literal["s", "min", "h", "D", "W", "B", "MS", "ME", "QS", "QE", "YS", "YE"]

UNITS: tuple[Unit, ...] = get_args(Unit)
SECONDS = {"s": 1, "min": 60, "h": 3600, "D": 86_400, "W": 604_800}
MONTHS = {"MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12}
ENDS = ("ME", "QE", "YE")
MAX_SPAN_STEPS = 1_000_000

ALIASES: dict[str, Unit] = {"S": "s", "T": "min", "H": "h", "M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "AS": "YS"}
"""What older releases of pandas call them."""
NEAREST: dict[str, Unit] = {
    **dict.fromkeys(("BMS", "CBMS", "SMS"), "MS"),
    **dict.fromkeys(("BM", "BME", "CBME", "SM", "SME"), "ME"),
    **dict.fromkeys(("BQ", "BQE"), "QE"),
    **dict.fromkeys(("BA", "BY", "BYE"), "YE"),
    **dict.fromkeys(("BH", "bh", "CBH", "cbh"), "h"),
    "BQS": "QS",
    "BAS": "YS",
    "BYS": "YS",
    "C": "B",
    "WOM": "MS",
    "LWOM": "ME",
}
"""Steps of pandas that are not supported, and what comes nearest."""
DAYS = {
    "MON": "Monday",
    "TUE": "Tuesday",
    "WED": "Wednesday",
    "THU": "Thursday",
    "FRI": "Friday",
    "SAT": "Saturday",
    "SUN": "Sunday",
}
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class Frequency:
    """A regular step: `count` units.

    Units are `s | min | h | D | W`, business days (`B`), and months, quarters and years: on the day of the month that a series begins
    with, or the last where a month is shorter (`MS`, `QS`, `YS`), or on the last day always (`ME`, `QE`, `YE`). `anchor` is the weekday
    of weeks (`MON`), or a month of quarters and years (`DEC`), that a series must keep; none: the one that it begins with.
    """

    count: int
    unit: Unit
    anchor: str | None = None

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """Read `h`, `15min`, `D`, `B`, `W-MON`, `MS`, `QE-DEC`, ..., or one of `ALIASES`.

        Raises:
            ValueError: not such a text.
        """
        match = re.fullmatch(r"([0-9]{0,6})([A-Za-z]+)(?:-([A-Z]{3}))?", text)
        if match is None:
            raise _unknown(text)
        unit = ALIASES.get(match[2], match[2])
        count = int(match[1] or 1)
        if unit not in UNITS or not count or match[3] not in (None, *_anchors(unit)):
            raise _unknown(text)
        return cls(count, unit, match[3])

    def __str__(self) -> str:
        """The text that `parse` reads."""
        unit = self.unit if self.anchor is None else f"{self.unit}-{self.anchor}"
        return unit if self.count == 1 else f"{self.count}{unit}"

    def after(self, start: np.datetime64, steps: int) -> Times:
        """The `steps` times that follow `start`, (steps,)."""
        return self.span(start, steps + 1)[1:]

    def span(self, start: np.datetime64, steps: int) -> Times:
        """`steps` times from `start` on, `start` being the first where it `fits`, (steps,)."""
        start = start.astype("datetime64[s]")
        day = start.astype("datetime64[D]")
        offsets = np.arange(steps) * self.count
        if self.unit == "B":
            times: Times = np.busday_offset(day, offsets, roll="backward").astype("datetime64[s]") + (start - day)
        elif self.unit in MONTHS:
            times = self._days_of_months(day, offsets * MONTHS[self.unit]).astype("datetime64[s]") + (start - day)
        else:
            times = start + offsets * np.timedelta64(SECONDS[self.unit], "s")
        return times

    def fits(self, start: np.datetime64) -> bool:
        """Whether a series may begin here."""
        match self.unit:
            case "W" if self.anchor is not None:
                return bool(weekday(start) == list(DAYS).index(self.anchor))
            case "QS" | "QE" | "YS" | "YE" if self.anchor is not None:
                month = start.astype("datetime64[M]").astype(np.int64)
                if (month - MONTH_NAMES.index(self.anchor)) % MONTHS[self.unit]:
                    return False
        return bool(self.span(start, 1)[0] == start)

    @property
    def place(self) -> str:
        """What a time is that `fits`, in words."""
        match self.unit:
            case "B":
                return "business day"
            case "W" if self.anchor is not None:
                return DAYS[self.anchor]
            case "ME" | "QE" | "YE" if self.anchor is None:
                return "last day of a month"
            case _:
                return f"time of {self}"

    def steps_between(self, start: np.datetime64, times: Times) -> NDArray[np.int64]:
        """Whole steps from `start` to each of `times`; -1 where a time is not on the grid that begins there, or absurdly far along it."""
        times = times.astype("datetime64[s]")
        start = start.astype("datetime64[s]")
        if not self.fits(start):
            return np.full(len(times), -1)
        if self.unit == "B":
            whole = np.busday_count(start.astype("datetime64[D]"), times.astype("datetime64[D]"))
        elif self.unit in MONTHS:
            whole = (times.astype("datetime64[M]") - start.astype("datetime64[M]")).astype(np.int64) // MONTHS[self.unit]
        else:
            whole = (times - start).astype(np.int64) // SECONDS[self.unit]
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
        if self.unit in MONTHS:
            months = MONTHS[self.unit] * self.count
            return (12 // months,) if months < 12 and 12 % months == 0 else ()
        match self.unit:
            case "B":
                return (5,)
            case "W":
                return (52,) if self.count == 1 else ()
            case _:
                step = SECONDS[self.unit] * self.count
                return tuple(span // step for span in (SECONDS["D"], SECONDS["W"]) if span % step == 0 and span // step > 1)

    def _days_of_months(self, day: np.datetime64, months: NDArray[np.int64]) -> Times:
        """The same day of the months that many later, at most their last; of ends the last."""
        first = day.astype("datetime64[M]")
        begins = first + months
        last: Times = (begins + 1).astype("datetime64[D]") - 1
        if self.unit in ENDS:
            return last
        same: Times = np.minimum(begins.astype("datetime64[D]") + (day - first.astype("datetime64[D]")), last)
        return same


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
    monthly = _monthly(times) if common >= 28 * SECONDS["D"] else None
    if monthly is not None:
        return monthly
    if common == SECONDS["D"] and not np.any(weekday(times) >= 5) and len(times) > 5:
        return Frequency(1, "B")
    if counts.max() * 2 < len(times) - 1:
        kept = f"the commonest, {common} s, is kept by {counts.max()} of {len(times) - 1} rows"
        raise ValueError(f"no regular step: {kept}: resample the data or give the frequency")
    for unit in ("W", "D", "h", "min", "s"):
        if common % SECONDS[unit] == 0:
            return Frequency(common // SECONDS[unit], unit)
    raise ValueError("steps of less than a second are not supported")


def weekday(times: Times | np.datetime64) -> NDArray[np.int64]:
    """Monday 0 to Sunday 6 (1970-01-01 was a Thursday)."""
    return np.asarray((times.astype("datetime64[D]").astype(np.int64) + 3) % 7)


def _monthly(times: Times) -> Frequency | None:
    """The step in months that more than half keep, where all stand on one day of the month, or on the last, at one time of day."""
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    steps, counts = np.unique(np.diff(months).astype(np.int64), return_counts=True)
    common = int(steps[counts.argmax()])
    at_end = bool(((days + 1).astype("datetime64[M]") > months).all())
    alike = len(np.unique(times - (days if at_end else months))) == 1
    if not common or not alike or counts.max() * 2 <= len(times) - 1:
        return None
    size, unit = next((size, unit) for size, unit in ((12, "Y"), (3, "Q"), (1, "M")) if common % size == 0)
    return Frequency(common // size, f"{unit}{'E' if at_end else 'S'}")  # type: ignore[arg-type]  # a key of MONTHS is a unit


def _anchors(unit: str) -> tuple[str, ...]:
    match unit:
        case "W":
            return tuple(DAYS)
        case "QS" | "QE" | "YS" | "YE":
            return MONTH_NAMES
        case _:
            return ()


def _unknown(text: str) -> ValueError:
    known = ", ".join(UNITS)
    anchored = "weeks may name their day (W-MON), quarters and years a month (QE-DEC)"
    nearest = NEAREST.get(text.lstrip("0123456789").partition("-")[0])
    instead = f"; the nearest to it is {nearest}" if nearest else ""
    return ValueError(f"unknown frequency {text!r}: a whole number (1 may be left out) and one of {known}; {anchored}{instead}")

"""Rows of times and values -> a regular grid: order, repeated times, gaps. What can be repaired without guessing is, and is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import SECONDS, Frequency, Times
from training.data.files import DataError

Values = NDArray[np.float32]
Repairs = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file: the series each belongs to (n,), times (n,), values (n, columns), and its row number in the file (n,)."""

    file: str
    series: NDArray[np.int64]
    times: Times
    values: Values
    numbers: NDArray[np.int64]

    def take(self, which: NDArray[np.int64]) -> Rows:
        """The rows at these positions, in their order."""
        return Rows(self.file, self.series[which], self.times[which], self.values[which], self.numbers[which])


@dataclass(frozen=True, slots=True)
class Grid:
    """Values (time, columns) of one series from `start` on, NaN where missing; `absent` of the steps had no row."""

    start: np.datetime64
    values: Values
    absent: int


def in_order(rows: Rows) -> tuple[Rows, Repairs]:
    """The rows series by series, each in the order of time."""
    by_series = rows.take(np.argsort(rows.series, kind="stable"))
    late = (np.diff(by_series.series) == 0) & (np.diff(by_series.times) < np.timedelta64(0, "s"))
    if not late.any():
        return by_series, ()
    repair = f"rows sorted by time, {late.sum()} of them earlier than the row before"
    return rows.take(np.lexsort((rows.times, rows.series))), (repair,)


def averaged(rows: Rows, step: Frequency, *, phase_s: int = 0) -> Rows:
    """Rows in order, those within one step of each series replaced by their mean; missing values do not count.

    Steps begin at midnight, on clocks that are `phase_s` ahead of the rows' times.

    Raises:
        DataError: a step that is not a number of seconds, minutes or hours that fit a day, or one day.
    """
    seconds = SECONDS.get(step.unit, 0) * step.count
    if not seconds or SECONDS["D"] % seconds:
        raise DataError(f"--resample {step}: give a step that fits a day a whole number of times, such as 15min, h or D")
    shown = rows.times + np.timedelta64(phase_s, "s")
    begins = rows.times - (shown - shown.astype("datetime64[D]")) % np.timedelta64(seconds, "s")
    first = np.flatnonzero(np.append(True, (np.diff(rows.series) != 0) | (np.diff(begins) != np.timedelta64(0, "s"))))
    known = ~np.isnan(rows.values)
    sums = np.add.reduceat(np.where(known, rows.values, 0).astype(np.float64), first, axis=0)
    counts = np.add.reduceat(known.astype(np.int64), first, axis=0)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
    return Rows(rows.file, rows.series[first], begins[first], means, rows.numbers[first])


def without_repeats(rows: Rows, *, remedy: str) -> tuple[Rows, Repairs]:
    """Rows in order, those that repeat the row before left out.

    Raises:
        DataError: two rows of one series have the same time and different values; the message ends in `remedy`.
    """
    again = np.flatnonzero((np.diff(rows.series) == 0) & (np.diff(rows.times) == np.timedelta64(0, "s"))) + 1
    if not again.size:
        return rows, ()
    before, after = rows.values[again - 1], rows.values[again]
    differ = np.flatnonzero(((before != after) & ~(np.isnan(before) & np.isnan(after))).any(axis=1))
    if differ.size:
        at = again[differ[0]]
        more = f" ({differ.size - 1} more times like it)" if differ.size > 1 else ""
        same = f"{rows.file} rows {rows.numbers[at - 1]} and {rows.numbers[at]} have the same time, {rows.times[at]}"
        raise DataError(f"{same}, and different values{more}: {remedy}")
    kept = np.delete(np.arange(len(rows.times)), again)
    return rows.take(kept), (f"rows dropped because they repeat another: {again.size}",)


def on_grid(rows: Rows, frequency: Frequency, *, gaps: Literal["missing", "error"]) -> Grid:
    """Lay the rows of one series, in order and without repeats, on the grid of `frequency` that begins at the first.

    Raises:
        DataError: a first time at which no series of this step begins, a time off the grid, far more steps missing than present, or a gap
            where `gaps` is "error".
    """
    start = rows.times[0]
    if not frequency.fits(start):
        raise DataError(f"{rows.file} row {rows.numbers[0]}: {start} is no {frequency.place}: correct the time, or give another frequency")
    steps = frequency.steps_between(start, rows.times)
    off = np.flatnonzero(steps < 0)
    if off.size == len(steps) - 1 > 0 and frequency.steps_between(rows.times[off[0]], rows.times[off])[-1] >= 0:
        raise DataError(f"{rows.file}: rows from {start} to {rows.times[-1]} leave out nearly every step of {frequency}: correct the times")
    if off.size:
        raise DataError(
            f"{rows.file} row {rows.numbers[off[0]]}: {rows.times[off[0]]} is not a whole number of steps of {frequency} after {start}: "
            "correct the time, resample the data or give the frequency"
        )
    jumps = np.flatnonzero(np.diff(steps) > 1)
    if jumps.size and gaps == "error":
        at = jumps[0] + 1
        absent = f"{steps[at] - steps[at - 1] - 1} steps of {frequency} are missing between {rows.times[at - 1]} and {rows.times[at]}"
        raise DataError(f"{rows.file} row {rows.numbers[at]}: {absent}: add them, or take gaps as missing values (--gaps missing)")
    values = np.full((int(steps[-1]) + 1, rows.values.shape[1]), np.nan, np.float32)
    values[steps] = rows.values
    return Grid(start, values, absent=len(values) - len(steps))

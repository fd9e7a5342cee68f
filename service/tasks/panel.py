"""Rows of many series, one series after another -> each laid on the model's grid, as `on_grid` does it for one, a column at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import Frequency, Times
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError
from service.tasks.history import LARGEST, MAX_GAP_STEPS
from service.tasks.timestamps import steps_on_grid

Column = NDArray[np.float64]
Steps = NDArray[np.int64]
Refused = dict[int, str]
"""Position of a series -> why it gets no forecast."""

MAX_SERIES_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows `bounds[i]` to `bounds[i + 1]` are those of series i; `times` (rows,) are wall times, columns (rows,) have NaN where missing.

    `static` (rows,) are codes of categories, 0 where there is none that the model knows.
    """

    bounds: Steps
    times: Times
    values: Column
    past: Mapping[str, Column] = field(default_factory=dict)
    future: Mapping[str, Column] = field(default_factory=dict)
    static: Mapping[str, Steps] = field(default_factory=dict)

    def __len__(self) -> int:
        """Series."""
        return len(self.bounds) - 1

    @property
    def owners(self) -> Steps:
        """The series of each row, (rows,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))

    def owner(self, row: np.integer[Any]) -> int:
        """The series of a row."""
        return int(np.searchsorted(self.bounds, row, side="right")) - 1

    def part(self, begin: int, end: int) -> Panel:
        """The series from `begin` to before `end`."""
        rows = slice(int(self.bounds[begin]), int(self.bounds[end]))
        return self._rows(rows, self.bounds[begin : end + 1] - self.bounds[begin])

    def in_order(self) -> Panel:
        """The same, the rows of each series in the order of their times."""
        late = np.diff(self.times) < np.timedelta64(0, "s")
        late[self.bounds[1:-1] - 1] = False  # the next series may begin earlier
        return self._rows(np.lexsort((self.times, self.owners)), self.bounds) if late.any() else self

    def _rows(self, rows: slice | NDArray[np.int64], bounds: Steps) -> Panel:
        past = {name: column[rows] for name, column in self.past.items()}
        future = {name: column[rows] for name, column in self.future.items()}
        static = {name: codes[rows] for name, codes in self.static.items()}
        return Panel(bounds, self.times[rows], self.values[rows], past, future, static)


@dataclass(frozen=True, slots=True)
class Laid:
    """A panel in order of time, and the steps of each history (series,); `sparse` are the places on the grid of series with gaps."""

    panel: Panel
    lengths: Steps
    sparse: Mapping[int, Steps]
    refused: Refused

    @property
    def starts(self) -> Times:
        """The first time of each series."""
        return self.panel.times[self.panel.bounds[:-1]]

    @property
    def steps(self) -> Steps:
        """Each row's place on its series' grid, (rows,)."""
        bounds = self.panel.bounds
        found = np.arange(bounds[-1]) - np.repeat(bounds[:-1], np.diff(bounds))
        for series, steps in self.sparse.items():
            found[bounds[series] : bounds[series + 1]] = steps
        return found


def laid(task: ForecastTask, panel: Panel, *, horizon: int) -> Laid:
    """Every series on its grid, those that cannot be laid on one told why.

    With covariates that are known ahead, the rows after the last value of the series are its horizon; without, every row is history.
    """
    panel = panel.in_order()
    refused: Refused = {}
    _refuse_numbers(panel, refused)
    _refuse_rows(panel, refused)
    found = Laid(panel, *_on_grid(task, panel, refused), refused)
    return _before_horizon(task, found, horizon) if task.future else found


def _refuse_numbers(panel: Panel, refused: Refused) -> None:
    for column in (panel.values, *panel.past.values(), *panel.future.values()):
        for row in np.flatnonzero(np.abs(column) > LARGEST):
            refused.setdefault(panel.owner(row), f"{column[row].item()!r} is beyond the range of a 32-bit float")


def _refuse_rows(panel: Panel, refused: Refused) -> None:
    for series in np.flatnonzero(np.diff(panel.bounds) > MAX_SERIES_ROWS):
        refused.setdefault(int(series), f"over {MAX_SERIES_ROWS} rows: keep the newest")
    for row in np.flatnonzero(np.isnat(panel.times)):
        refused.setdefault(panel.owner(row), "a row has no time, or one that local clocks leapt over: correct it or remove the row")
    again = panel.times[1:] == panel.times[:-1]
    again[panel.bounds[1:-1] - 1] = False  # two series may meet
    for row in np.flatnonzero(again):
        refused.setdefault(panel.owner(row), f"two rows have the time {panel.times[row]}: keep one of them")


def _on_grid(task: ForecastTask, panel: Panel, refused: Refused) -> tuple[Steps, dict[int, Steps]]:
    """The steps of each series, and the places of the rows of those with gaps; a series with a row a step costs next to nothing."""
    frequency = task.clock.frequency
    lengths = np.diff(panel.bounds)
    sparse: dict[int, Steps] = {}
    for series in np.flatnonzero(~_dense(frequency, panel)).tolist():
        if series in refused:
            continue
        times = panel.times[panel.bounds[series] : panel.bounds[series + 1]]
        try:
            steps = steps_on_grid(frequency, times, times, where=())  # type: ignore[arg-type]  # times print as ISO 8601
        except QuestionError as error:
            refused[series] = error.message
            continue
        lengths[series] = steps[-1] + 1
        sparse[series] = steps
        if (left_out := lengths[series] - len(steps)) > MAX_GAP_STEPS:
            refused[series] = f"the times leave out {left_out} steps of {task.frequency}: keep the rows after the gap"
    return lengths, sparse


def _dense(frequency: Frequency, panel: Panel) -> NDArray[np.bool_]:
    """Which series have a row for each step of the grid, (series,); neighbours of one start and length are compared at once."""
    starts, counts = panel.times[panel.bounds[:-1]], np.diff(panel.bounds)
    changes = np.flatnonzero((starts[1:] != starts[:-1]) | (counts[1:] != counts[:-1])) + 1
    dense = np.zeros(len(panel), np.bool_)
    for begin, end in pairwise([0, *changes.tolist(), len(panel)]):
        if not np.isnat(starts[begin]) and frequency.fits(starts[begin]):
            times = panel.times[panel.bounds[begin] : panel.bounds[end]].reshape(end - begin, -1)
            dense[begin:end] = (times == frequency.span(starts[begin], int(counts[begin]))).all(axis=1)
    return dense


def _before_horizon(task: ForecastTask, laid: Laid, horizon: int) -> Laid:
    """Histories that end with the last value; the `horizon` steps after it must be there."""
    observed = np.where(np.isnan(laid.panel.values), -1, laid.steps)
    histories = np.maximum.reduceat(observed, laid.panel.bounds[:-1]) + 1
    ahead = laid.lengths - histories
    for series in np.flatnonzero(ahead < horizon):
        laid.refused.setdefault(
            int(series),
            f"{ahead[series]} steps after the last value of {task.target!r}: "
            f"add rows with {', '.join(task.future)} for {horizon} of them, without a value of {task.target!r}",
        )
    return replace(laid, lengths=histories)

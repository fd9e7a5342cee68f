"""Rows of many series, one after another -> each series laid on the model's grid as by `on_grid`, those that share their times at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import Frequency, Times
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError
from service.tasks.history import LARGEST, MAX_GAP_STEPS
from service.tasks.timestamps import steps_on_grid

Column = NDArray[np.floating[Any]]
Steps = NDArray[np.int64]
Refused = dict[int, str]
"""Position of a series -> why it gets no forecast."""

MAX_SERIES_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows `bounds[i]` to `bounds[i + 1]` of the columns (rows,) are those of series i, NaN where missing.

    Neighbours mostly have the same times: the series from `runs[j]` to before `runs[j + 1]` do. `times` are the wall times of the runs,
    one run after another, each as often as one of its series has rows. By default every series is a run. `static` (rows,) are codes of
    categories, 0 where there is none that the model knows.
    """

    bounds: Steps
    times: Times
    values: Column
    past: Mapping[str, Column] = field(default_factory=dict)
    future: Mapping[str, Column] = field(default_factory=dict)
    static: Mapping[str, Steps] = field(default_factory=dict)
    runs: Steps | None = None

    def __len__(self) -> int:
        """Series."""
        return len(self.bounds) - 1

    @property
    def owners(self) -> Steps:
        """The series of each row, (rows,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))

    def owner(self, row: int) -> int:
        """The series of a row."""
        return int(np.searchsorted(self.bounds, row, side="right")) - 1

    def each_run(self) -> Iterator[Run]:
        """The runs, in order."""
        place = 0
        for first, end in pairwise(range(len(self) + 1) if self.runs is None else self.runs.tolist()):
            begin, after, last = self.bounds[[first, first + 1, end]].tolist()
            yield Run(first, end, slice(begin, last), self.times[place : place + after - begin])
            place += after - begin


@dataclass(frozen=True, slots=True)
class Run:
    """Series from `first` to before `end`, all with the same `times` (rows of one,), in these rows of the panel."""

    first: int
    end: int
    rows: slice
    times: Times

    def of(self, column: Column) -> Column:
        """Its part of a panel's column, (series, rows of one)."""
        return column[self.rows].reshape(self.end - self.first, -1)


@dataclass(frozen=True, slots=True)
class Block:
    """Series of a run with histories of one length: those of its series that `members` select.

    Their rows, in the `order` of time (none: as they come), stand at `steps`, rising, of the grid that begins at `start`.
    """

    run: Run
    members: slice | Steps
    order: Steps | None
    steps: Steps
    start: np.datetime64
    length: int

    @property
    def series(self) -> Steps:
        """Positions in the panel."""
        return np.arange(self.run.first, self.run.end)[self.members]

    def of(self, column: Column) -> Column:
        """Their part of a panel's column, (series, steps)."""
        found = self.run.of(column)[self.members]
        return found if self.order is None else found[:, self.order]


def runs_of(stamps: NDArray[np.generic], bounds: Steps) -> Steps:
    """Where runs of neighbours with the same stamps (rows,) begin, and the end of the last, (runs + 1,)."""
    counts = np.diff(bounds)
    same = np.zeros(len(counts), np.bool_)
    for first, end in pairwise([0, *(np.flatnonzero(np.diff(counts)) + 1).tolist(), len(counts)]):
        if end - first > 1:
            alike = stamps[bounds[first] : bounds[end]].reshape(end - first, -1)
            same[first + 1 : end] = (alike[1:] == alike[:-1]).all(axis=1)
    return np.append(np.flatnonzero(~same), len(counts))


def laid(task: ForecastTask, panel: Panel, *, horizon: int) -> tuple[list[Block], Refused]:
    """Every series on its grid, and why some cannot be laid on one: of those there may be blocks all the same.

    With covariates that are known ahead, the rows after the last value of the series are its horizon; without, every row is history.
    """
    refused: Refused = {}
    _refuse_numbers(panel, refused)
    blocks: list[Block] = []
    for run in panel.each_run():
        try:
            order, steps = _on_grid(task, run.times)
        except QuestionError as error:
            for series in range(run.first, run.end):
                refused.setdefault(series, error.message)
            continue
        start = run.times[0] if order is None else run.times[order[0]]
        block = Block(run, slice(None), order, steps, start, int(steps[-1]) + 1)
        blocks += _before_horizon(task, panel, block, horizon, refused) if task.future else [block]
    return blocks, refused


def _refuse_numbers(panel: Panel, refused: Refused) -> None:
    for column in (panel.values, *panel.past.values(), *panel.future.values()):
        for row in np.flatnonzero(np.abs(column) > LARGEST).tolist():
            refused.setdefault(panel.owner(row), f"{column[row].item()!r} is beyond the range of a 32-bit float")


def _on_grid(task: ForecastTask, times: Times) -> tuple[Steps | None, Steps]:
    """The order of rows with these times, none where they rise, and their places on the grid in this order."""
    if len(times) > MAX_SERIES_ROWS:
        raise QuestionError(f"over {MAX_SERIES_ROWS} rows: keep the newest")
    if np.isnat(times).any():
        raise QuestionError("a row has no time, or one that local clocks leapt over: correct it or remove the row")
    frequency = task.clock.frequency
    if _dense(frequency, times):
        return None, np.arange(len(times))
    order = None if (np.diff(times) >= np.timedelta64(0, "s")).all() else np.argsort(times, kind="stable")
    times = times if order is None else times[order]
    again = np.flatnonzero(times[1:] == times[:-1])
    if again.size:
        raise QuestionError(f"two rows have the time {times[again[0]]}: keep one of them")
    steps = steps_on_grid(frequency, times, times, where=())  # type: ignore[arg-type]  # times print as ISO 8601
    if (left_out := int(steps[-1]) + 1 - len(steps)) > MAX_GAP_STEPS:
        raise QuestionError(f"the times leave out {left_out} steps of {task.frequency}: keep the rows after the gap")
    return order, steps


def _dense(frequency: Frequency, times: Times) -> bool:
    """Whether there is a row for each step of the grid, in order: as it mostly is, and told at little cost."""
    return frequency.fits(times[0]) and np.array_equal(times, frequency.span(times[0], len(times)))


def _before_horizon(task: ForecastTask, panel: Panel, block: Block, horizon: int, refused: Refused) -> Iterator[Block]:
    """Histories that end with the last value; the `horizon` steps after it must be there."""
    observed = np.where(np.isnan(block.of(panel.values)), -1, block.steps)  # (series, steps)
    histories = observed.max(axis=1) + 1
    ahead = block.length - histories
    for member in np.flatnonzero(ahead < horizon).tolist():
        refused.setdefault(
            block.run.first + member,
            f"{ahead[member]} steps after the last value of {task.target!r}: "
            f"add rows with {', '.join(task.future)} for {horizon} of them, without a value of {task.target!r}",
        )
    for history in np.unique(histories[ahead >= horizon]).tolist():
        members = np.flatnonzero(histories == history)
        yield Block(block.run, members, block.order, block.steps, block.start, history)

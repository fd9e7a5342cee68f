"""What is known of a series: its values and covariates as numbers, laid on the model's regular grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from struct import error as StructError
from struct import pack_into

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, Where
from service.tasks.timestamps import parse_times, steps_on_grid

Values = NDArray[np.float32]

LARGEST = float(np.finfo(np.float32).max)
MAX_GAP_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one series: `values` (time,) oldest first, NaN if missing; `past` (time,), `future` (time + horizon,).

    `static` are the texts of its static columns.
    """

    values: Values
    past: Mapping[str, Values] = field(default_factory=dict)
    future: Mapping[str, Values] = field(default_factory=dict)
    start: np.datetime64 | None = None
    offset: timedelta | None = None
    id: str | None = None
    static: Mapping[str, str] = field(default_factory=dict)


def on_grid(task: ForecastTask, history: History, timestamps: Sequence[str], *, where: Where) -> History:
    """The history laid on the model's regular grid by its timestamps; steps without a row become missing values.

    Raises:
        QuestionError: as many timestamps as values are needed, rising, and on the grid of the model's frequency.
    """
    where = (*where, "timestamps")
    if not timestamps or len(timestamps) != len(history.values):
        raise QuestionError(f"{len(timestamps)} timestamps for {len(history.values)} values: send one for each", where=where)
    clock = task.clock
    times, offset = parse_times(clock, timestamps, where=where)
    steps = steps_on_grid(clock.frequency, times, timestamps, where=where)
    length = int(steps[-1]) + 1
    if length > len(times) + MAX_GAP_STEPS:
        raise QuestionError(
            f"the timestamps leave out {length - len(times)} steps of {task.frequency}: send a shorter history", where=where
        )
    spread = replace(history, values=_spread(history.values, steps, length), start=times[0], offset=offset)
    if length == len(times):
        return spread
    past = {name: _spread(column, steps, length) for name, column in history.past.items()}
    future = {
        name: np.concatenate([_spread(column[: len(times)], steps, length), column[len(times) :]])
        for name, column in history.future.items()
    }
    return replace(spread, past=past, future=future)


def columns(table: Mapping[Where, Sequence[float | None]]) -> dict[Where, Values]:
    """Numbers as float32, NaN where None; each key leads to its column in the question.

    Raises:
        QuestionError: a number beyond float32's range.
    """
    return {where: column(values, where=where) for where, values in table.items()}


def column(values: Sequence[float | None], *, where: Where) -> Values:
    """One column of `columns`; raises what that raises."""
    packed = np.empty(len(values), np.float32)
    try:
        pack_into(f"={len(values)}f", packed.data, 0, *values)  # in half the time of np.array; `=` refuses what is beyond a float
    except (StructError, OverflowError):
        return _column_with_gaps(values, where)
    return packed


def _column_with_gaps(values: Sequence[float | None], where: Where) -> Values:
    array = np.array(values, np.float64)
    beyond = np.abs(array) > LARGEST
    if beyond.any():
        position = int(beyond.argmax())
        raise QuestionError(f"{values[position]!r} is beyond the range of a 32-bit float", where=(*where, position))
    return array.astype(np.float32)


def _spread(values: Values, steps: NDArray[np.int64], length: int) -> Values:
    spread = np.full(length, np.nan, np.float32)
    spread[steps] = values[: len(steps)]
    return spread

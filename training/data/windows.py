"""Series -> windows: a stretch of history and the horizon that follows it, gathered a batch at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.files import DataError
from training.data.series import Series, SeriesTable, parts

Values = NDArray[np.float32]
Positions = NDArray[np.int64]
Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Windows as the graph takes them, padded on the left with NaN where a history is shorter than the context.

    target (batch, context), past (batch, context, past columns), future (batch, context + horizon, known columns: those of the file,
    then those of the calendar), static (batch, columns), and what came true, actual (batch, horizon).
    """

    target: Values
    past: Values
    future: Values
    static: Positions
    actual: Values


class Windows:
    """Every window of one split. `index` (windows, 2): number of the series, and origin, the first step that is forecast.

    The parts of a series follow each other in time; the horizon of a window lies in one part, its history may reach back into those before.
    Where a share is 0, the part before serves: the training windows for validation, the validation windows for the scores.
    Windows with fewer than `min_context` observed values in their history, or none in their horizon, are left out.
    """

    def __init__(
        self, table: SeriesTable, split: Split, *, context: int, horizon: int, min_context: int, validation: float, test: float
    ) -> None:
        """Find the windows.

        Raises:
            DataError: there is none.
        """
        self.context = context
        self.horizon = horizon
        padded = [_padded(_columns(one, table), context) for one in table.series]
        self._target, self._past, self._future = (np.concatenate(columns) for columns in zip(*padded, strict=True))
        self._static = np.array([one.static for one in table.series], np.int64)
        lengths = [len(one.target) + context for one in table.series]
        self._first = np.cumsum([0, *lengths[:-1]])  # row of each series' first padding
        pairs = []
        for number, one in enumerate(table.series):
            start, end = _bounds(len(one.target), split, horizon=horizon, validation=validation, test=test)
            origins = _origins(one.target, start, end, context=context, horizon=horizon, min_context=min_context)
            pairs.append(np.stack([np.full(len(origins), number), origins], axis=1))
        self.index: Positions = np.concatenate(pairs).astype(np.int64)
        if not len(self.index):
            raise DataError(
                f"no window for {split}: no history of {context} steps has {min_context} observed values and one in the {horizon} steps "
                "that follow: give more rows, or a shorter horizon or context"
            )

    def __len__(self) -> int:
        """Windows in the split."""
        return len(self.index)

    def batch(self, positions: Positions) -> WindowBatch:
        """The windows at these positions of `index`."""
        number, origin = self.index[positions].T
        first = self._first[number] + origin  # the padding makes this the row of origin - context
        return WindowBatch(
            target=_stretch(self._target, first, self.context),
            past=_stretch(self._past, first, self.context),
            future=_stretch(self._future, first, self.context + self.horizon),
            static=self._static[number],
            actual=_stretch(self._target, first + self.context, self.horizon),
        )

    def thinned(self, most: int) -> Positions:
        """At most `most` positions, evenly spaced over all."""
        return np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(np.int64))


def training_rows(table: SeriesTable, *, horizon: int, validation: float, test: float) -> tuple[Values, Values, Values]:
    """All rows of the training parts, for statistics: target (rows,), past (rows, past columns), future (rows, known columns)."""
    ends = [parts(len(one.target), horizon=horizon, validation=validation, test=test).train_end for one in table.series]
    cut = [[column[:end] for column in _columns(one, table)] for one, end in zip(table.series, ends, strict=True)]
    target, past, future = (np.concatenate(columns) for columns in zip(*cut, strict=True))
    return target, past, future


def _columns(series: Series, table: SeriesTable) -> tuple[Values, Values, Values]:
    derived = table.clock.features(series.times(table.frequency), table.calendar)
    return series.target, series.past, np.concatenate([series.future, derived], axis=1)


def _padded(columns: tuple[Values, Values, Values], context: int) -> tuple[Values, ...]:
    return tuple(np.concatenate([np.full((context, *column.shape[1:]), np.nan, np.float32), column]) for column in columns)


def _bounds(length: int, split: Split, *, horizon: int, validation: float, test: float) -> tuple[int, int]:
    """First and last + 1 step that a window of the split may forecast."""
    ends = parts(length, horizon=horizon, validation=validation, test=test)
    match split:
        case "test" if test:
            return ends.validation_end, length
        case "test" | "validation" if validation:
            return ends.train_end, ends.validation_end
        case _:
            return 0, ends.train_end


def _origins(target: Values, start: int, end: int, *, context: int, horizon: int, min_context: int) -> Positions:
    """Origins from `start` on whose horizon ends by `end`."""
    origins = np.arange(max(start, 1), max(end - horizon + 1, 1))
    seen = np.concatenate([[0], np.cumsum(~np.isnan(target))]).astype(np.int64)  # observed values before each step
    history = seen[origins] - seen[np.maximum(origins - context, 0)]
    ahead = seen[origins + horizon] - seen[origins]
    kept: Positions = origins[(history >= min_context) & (ahead > 0)]
    return kept


def _stretch(flat: Values, first: Positions, length: int) -> Values:
    """Rows first to first + length of `flat` (rows, ...), for each of `first`: (batch, length, ...), each copied in one piece."""
    width = math.prod(flat.shape[1:])
    if not width:
        return np.empty((len(first), length, 0), np.float32)
    pieces: Values = np.lib.stride_tricks.sliding_window_view(flat.reshape(-1), length * width)[first * width]
    return pieces.reshape(len(first), length, *flat.shape[1:])

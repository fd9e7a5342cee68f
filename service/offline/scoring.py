"""A chunk of series -> its rows of the output: what a worker's thread does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.contract.static_column import UNKNOWN, StaticColumn
from service.offline.chunks import Chunk
from service.offline.clock import on_clock, stamps, told, wall_times
from service.offline.flat import arrow_of, numbers_of
from service.offline.journal import Failure
from service.offline.output import output_table
from service.offline.series_file import BATCH_ROWS, Columns
from service.served_model import ServedModel
from service.tasks.forecast_batch import Encoded, encode_panel
from service.tasks.levels import Level
from service.tasks.panel import Column, Panel, Refused, Steps, runs_of
from service.tasks.target_kind import clipped, rounded

logger = logging.getLogger(__name__)

BATCH_SERIES = 128
"""Most series of one run of the graph; more are hardly faster."""
MOST_NUMBERS = 4_000_000
"""Of the graph's inputs for a chunk."""
BEYOND = (
    "the forecast is no number, or beyond the range of a 32-bit float: give values nearer to those the model was trained on, "
    "and covariates without gaps"
)
FAILED = "the model failed on it: the log says why"

Quantiles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of the output, the series that have none, and how far in the file this leads."""

    table: Any  # pyarrow ships no types
    failed: Sequence[Failure]
    series: int
    end_row: int


@dataclass(frozen=True, slots=True)
class Scorer:
    """Forecasts chunks of a file, several at the same time; `schema` is the output's, `zone` that of the file's times."""

    model: ServedModel
    task: ForecastTask
    columns: Columns
    schema: Any  # pyarrow ships no types
    zone: str | None
    horizon: int
    levels: Sequence[Level]

    @property
    def most_series(self) -> int:
        """Series of a chunk, so that what it gives and what the graph takes of it are bounded as its rows are."""
        numbers = (self.task.context + self.task.horizon) * (1 + len(self.task.past) + len(self.task.known))
        return max(1, min(BATCH_ROWS // self.horizon, MOST_NUMBERS // numbers))

    def score(self, chunk: Chunk) -> Scored:
        """Forecast every series that can be; of the others say why.

        Raises:
            BadFile: a column that cannot be read.
        """
        panel, offsets = self._panel(chunk)
        encoded = encode_panel(self.task, panel, horizon=self.horizon)
        refused = dict(encoded.refused)
        quantiles = self._quantiles(encoded, refused)
        answered = np.array([series not in refused for series in encoded.kept.tolist()], np.bool_)
        series = encoded.kept[answered]
        times = told(self.task.clock, encoded.ahead[answered], offsets[series], self.zone)
        table = output_table(self.schema, self._names(chunk, series), times, self._columns(quantiles[answered]))
        failed = [Failure(chunk.names[place], reason) for place, reason in sorted(refused.items())]
        return Scored(table, failed, len(panel), chunk.end_row)

    def _names(self, chunk: Chunk, series: Steps) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """The names of these series, each for all its steps."""
        if self.columns.series is None:
            return None
        return chunk.table.column(self.columns.series).take(arrow_of(np.repeat(chunk.bounds[series], self.horizon)))

    def _panel(self, chunk: Chunk) -> tuple[Panel, NDArray[np.int64]]:
        """The chunk as arrays, and the offset from UTC that each series begins with."""
        names = self.columns
        column = chunk.table.column(names.time)
        runs = runs_of(stamps(column), chunk.bounds)
        rows, bounds = _first_of_each(chunk.bounds, runs)
        wall, offsets = wall_times(column.take(arrow_of(rows)), self.zone, name=names.time)
        times = on_clock(self.task.clock, wall, offsets, bounds)
        numbers = {name: _numbers(chunk.table.column(name)) for name in names.numbers}
        past = {name: numbers[name] for name in names.past}
        future = {name: numbers[name] for name in names.future}
        static = {column.name: _codes(chunk.table.column(column.name), column) for column in self.task.static}
        begun = np.zeros(len(bounds) - 1, np.int64) if offsets is None else offsets[bounds[:-1]]
        return Panel(chunk.bounds, times, numbers[names.target], past, future, static, runs), np.repeat(begun, np.diff(runs))

    def _quantiles(self, encoded: Encoded, refused: Refused) -> Quantiles:
        """Quantiles (kept, horizon, levels); those of the kept that there are none of are refused, too."""
        rows = np.empty((len(encoded.kept), self.horizon, len(self.task.quantiles)), np.float32)
        for batch in _batches(len(rows)):
            inputs = {name: np.ascontiguousarray(tensor[batch]) for name, tensor in encoded.inputs.items()}
            try:
                rows[batch] = self._run(inputs)
            except Exception:  # a graph may raise anything; each series is tried alone, so that one cannot fail the others
                rows[batch] = self._each(inputs, encoded.kept[batch], refused)
        for place in np.flatnonzero(~np.isfinite(rows).all(axis=(1, 2))):
            refused.setdefault(int(encoded.kept[place]), BEYOND)
        return rows

    def _each(self, inputs: Tensors, kept: Steps, refused: Refused) -> Quantiles:
        rows = np.full((len(kept), self.horizon, len(self.task.quantiles)), np.nan, np.float32)
        for place, series in enumerate(kept.tolist()):
            try:
                rows[place] = self._run({name: tensor[place : place + 1] for name, tensor in inputs.items()})[0]
            except Exception:  # as above
                logger.exception("%s failed on a series", self.model.manifest.name)
                refused[series] = FAILED
        return rows

    def _run(self, inputs: Tensors) -> Quantiles:
        rows: Quantiles = self.model.backend.run(inputs, ("quantiles",))["quantiles"]
        return rows[:, : self.horizon]

    def _columns(self, quantiles: Quantiles) -> list[Quantiles]:
        """The point and each level asked for, (series, horizon), as the target can have them."""
        table = np.moveaxis(clipped(self.task, quantiles), -1, 0)  # (levels, series, horizon)
        point = rounded(self.task, table[self.task.quantiles.index(0.5)], level=0.5)
        return [point, *(rounded(self.task, level.of(table), level=level.value) for level in self.levels)]


def _first_of_each(bounds: Steps, runs: Steps) -> tuple[Steps, Steps]:
    """The rows of the first series of each run, and the bounds of these series among them."""
    counts = np.diff(bounds)[runs[:-1]]
    own = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(own[-1]) + np.repeat(bounds[runs[:-1]] - own[:-1], counts), own


def _numbers(column: Any) -> Column:  # noqa: ANN401 - pyarrow ships no types
    """As they are where they are floats of 32 bits, which the graph takes; others with all their digits, NaN where missing."""
    floats = column if types.is_float32(column.type) else column.cast(pa.float64(), safe=False)
    return numbers_of(floats, missing=np.nan)


def _batches(series: int) -> list[slice]:
    """At most `BATCH_SERIES` at a time, and about as many each time: a small rest would take the graph as long as half a batch."""
    count = -(-series // BATCH_SERIES)
    return [slice(series * number // count, series * (number + 1) // count) for number in range(count)]


def _codes(texts: Any, column: StaticColumn) -> NDArray[np.int64]:  # noqa: ANN401 - pyarrow ships no types
    """The code of each row's text, (rows,); of nothing the unknown one."""
    rows = texts.cast(pa.string()).combine_chunks().dictionary_encode()
    codes = np.array([*(column.code(text) for text in rows.dictionary.to_pylist()), UNKNOWN], np.int64)
    found: NDArray[np.int64] = codes[rows.indices.fill_null(len(rows.dictionary)).to_numpy()]
    return found

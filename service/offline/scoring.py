"""A chunk of series -> its rows of the output: what a worker's thread does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from service.contract.frequency import Times
from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.contract.static_column import UNKNOWN, StaticColumn
from service.offline.chunks import Chunk, Name
from service.offline.clock import on_clock, told, wall_times
from service.offline.journal import Failure
from service.offline.output import output_table
from service.offline.series_file import Columns
from service.served_model import ServedModel
from service.tasks.forecast_batch import Encoded, encode_panel
from service.tasks.levels import Level
from service.tasks.panel import Panel, Steps
from service.tasks.target_kind import clipped, rounded

logger = logging.getLogger(__name__)

BATCH_SERIES = 64
"""Series of one run of the graph; more are no faster."""
BATCH_NUMBERS = 4_000_000
"""Most numbers of its inputs, where the context is long."""
BEYOND = "the forecast is beyond the range of a 32-bit float: give values nearer to those the model was trained on"
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

    def score(self, chunk: Chunk) -> Scored:
        """Forecast every series that can be; of the others say why.

        Raises:
            BadFile: a column that cannot be read.
        """
        panel, offsets = self._panel(chunk)
        failed: list[Failure] = []
        series, ahead, found = [], [], []
        for begin in range(0, len(panel), self._batch):
            end = min(begin + self._batch, len(panel))
            encoded = encode_panel(self.task, panel.part(begin, end), horizon=self.horizon)
            quantiles, refused = self._quantiles(encoded)
            failed += [Failure(chunk.names[begin + series], reason) for series, reason in sorted({**encoded.refused, **refused}.items())]
            answered = np.array([series not in refused for series in encoded.kept.tolist()], np.bool_)
            series.append(encoded.kept[answered] + begin)
            ahead.append(encoded.ahead[answered])
            found.append(quantiles[answered])
        table = self._table(chunk.names, np.concatenate(series), np.concatenate(ahead), np.concatenate(found), offsets)
        return Scored(table, failed, len(panel), chunk.end_row)

    def _table(self, names: Sequence[Name], series: Steps, ahead: Times, quantiles: Quantiles, offsets: NDArray[np.int64]) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """Rows of the output for these of the named series; `offsets` are those that all of them begin with."""
        times = told(self.task.clock, ahead, offsets[series], self.zone)
        return output_table(self.schema, [names[place] for place in series.tolist()], times, self._columns(quantiles))

    @property
    def _batch(self) -> int:
        numbers = (self.task.context + self.task.horizon) * (1 + len(self.task.past) + len(self.task.known))
        return max(1, min(BATCH_SERIES, BATCH_NUMBERS // numbers))

    def _panel(self, chunk: Chunk) -> tuple[Panel, NDArray[np.int64]]:
        """The chunk as arrays, and the offset from UTC that each series begins with."""
        names = self.columns
        wall, offsets = wall_times(chunk.table.column(names.time), self.zone, name=names.time)
        times = on_clock(self.task.clock, wall, offsets, chunk.bounds)
        numbers = {name: chunk.table.column(name).cast(pa.float64(), safe=False).to_numpy() for name in names.numbers}
        past = {name: numbers[name] for name in names.past}
        future = {name: numbers[name] for name in names.future}
        static = {column.name: _codes(chunk.table.column(column.name), column) for column in self.task.static}
        first = np.zeros(len(chunk.names), np.int64) if offsets is None else offsets[chunk.bounds[:-1]]
        return Panel(chunk.bounds, times, numbers[names.target], past, future, static), first

    def _quantiles(self, encoded: Encoded) -> tuple[Quantiles, dict[int, str]]:
        """Quantiles (kept, horizon, levels) and why there are none of some of the kept."""
        if not encoded.kept.size:
            return np.empty((0, self.horizon, len(self.task.quantiles)), np.float32), {}
        refused: dict[int, str] = {}
        try:
            rows = self._run(encoded.inputs)
        except Exception:  # a graph may raise anything; each series is tried alone, so that one cannot fail the others
            rows = self._each(encoded, refused)
        for place in np.flatnonzero(~np.isfinite(rows).all(axis=(1, 2))):
            refused.setdefault(int(encoded.kept[place]), BEYOND)
        return rows, refused

    def _each(self, encoded: Encoded, refused: dict[int, str]) -> Quantiles:
        rows = np.full((len(encoded.kept), self.horizon, len(self.task.quantiles)), np.nan, np.float32)
        for place, series in enumerate(encoded.kept.tolist()):
            try:
                rows[place] = self._run({name: tensor[place : place + 1] for name, tensor in encoded.inputs.items()})[0]
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


def _codes(texts: Any, column: StaticColumn) -> NDArray[np.int64]:  # noqa: ANN401 - pyarrow ships no types
    """The code of each row's text, (rows,); of nothing the unknown one."""
    rows = texts.cast(pa.string()).combine_chunks().dictionary_encode()
    codes = np.array([*(column.code(text) for text in rows.dictionary.to_pylist()), UNKNOWN], np.int64)
    found: NDArray[np.int64] = codes[rows.indices.fill_null(len(rows.dictionary)).to_numpy()]
    return found

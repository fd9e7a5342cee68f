"""Forecasts of many series as a table: a row for each step of each series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import types

from service.offline.chunks import Name

SERIES = "series"
Values = NDArray[np.float32]


def output_schema(kind: Any | None, zone: str | None, levels: Sequence[str]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """`series` where the file has several, of type `kind`; `time`, `step` from 1 on, `point`, and `q0.1`, ... of each level."""
    if kind is not None and types.is_dictionary(kind):
        kind = kind.value_type
    fields = [] if kind is None else [(SERIES, kind)]
    fields += [("time", pa.timestamp("us", zone)), ("step", pa.int32()), ("point", pa.float32())]
    return pa.schema([*fields, *((f"q{level}", pa.float32()) for level in levels)])


def output_table(schema: Any, names: Sequence[Name], times: Any, columns: Sequence[Values]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Rows of these series; `times` (series * steps,), `columns` (series, steps) are the point and each level."""
    steps = columns[0].shape[1]
    arrays = [times, pa.array(np.tile(np.arange(1, steps + 1, dtype=np.int32), len(names)))]
    arrays += [pa.array(np.ascontiguousarray(column).reshape(-1)) for column in columns]
    if SERIES in schema.names:
        own = pa.array(names, schema.field(SERIES).type)
        arrays = [own.take(pa.array(np.repeat(np.arange(len(names)), steps))), *arrays]
    return pa.Table.from_arrays(arrays, schema=schema)


def parquet_writer(path: Path, schema: Any, *, compression: str = "snappy") -> Any:  # noqa: ANN401 - pyarrow ships no types
    """A writer of such tables: names and times repeat, forecasts do not."""
    repeated = [name for name in (SERIES, "time", "step") if name in schema.names]
    return pq.ParquetWriter(path, schema, use_dictionary=repeated, write_statistics=repeated, compression=compression)

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

from service.offline.flat import arrow_of

SERIES = "series"
Values = NDArray[np.float32]


def output_schema(kind: Any | None, zone: str | None, levels: Sequence[str]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """`series` where the file has several, of type `kind`; `time`, `step` from 1 on, `point`, and `q0.1`, ... of each level."""
    if kind is not None and types.is_dictionary(kind):
        kind = kind.value_type
    fields = [] if kind is None else [(SERIES, kind)]
    fields += [("time", pa.timestamp("us", zone)), ("step", pa.int32()), ("point", pa.float32())]
    return pa.schema([*fields, *((f"q{level}", pa.float32()) for level in levels)])


def output_table(schema: Any, names: Any, times: Any, columns: Sequence[Values]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Rows of some series: `names` (series * steps,) or none, `times` alike; `columns` (series, steps) are the point and each level."""
    series, steps = columns[0].shape
    arrays = [] if names is None else [names.cast(schema.field(SERIES).type)]
    arrays += [times, arrow_of(np.tile(np.arange(1, steps + 1, dtype=np.int32), series))]
    arrays += [arrow_of(np.ascontiguousarray(column).reshape(-1)) for column in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


def parquet_writer(path: Path, schema: Any) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """A writer of such tables: names and times repeat, forecasts do not."""
    repeated = [name for name in (SERIES, "time", "step") if name in schema.names]
    return pq.ParquetWriter(path, schema, use_dictionary=repeated, write_statistics=repeated)

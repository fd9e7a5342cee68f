"""A Parquet or CSV file of series, one row a step: its columns, and its rows as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pyarrow import types

from service.offline.bad_file import BadFile

BATCH_ROWS = 262_144
"""Rows that are read at once, and about what one piece of work has."""
MOST_NUMBERS = 8_000_000
"""Of row groups that are read whole."""
CSV_BLOCK_BYTES = 4 << 20
PARQUET = (".parquet", ".pq")
CSV = (".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns: none for `series` where the file is one series; `past` and `future` are the model's covariates.

    `static` are its columns of text that are the same for all rows of a series.
    """

    time: str
    series: str | None
    target: str
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Those that hold numbers."""
        return tuple(dict.fromkeys((self.target, *self.past, *self.future)))

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are read, each once."""
        return tuple(dict.fromkeys((*([] if self.series is None else [self.series]), self.time, *self.numbers, *self.static)))


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """A file whose columns were found to be what they should; `rows` is known of Parquet only."""

    path: Path
    columns: Columns
    schema: Any  # pyarrow ships no types
    rows: int | None

    @classmethod
    def open(cls, path: Path, columns: Columns) -> SeriesFile:
        """Look at the file's head.

        Raises:
            BadFile: neither Parquet nor CSV, a column is missing or holds something else.
            OSError: it cannot be read.
        """
        name = path.name.lower()
        try:
            if name.endswith(PARQUET):
                with pq.ParquetFile(path) as file:
                    schema, rows = file.schema_arrow, file.metadata.num_rows
            elif name.endswith(CSV):
                with closing(_csv_reader(path)) as reader:
                    schema, rows = _csv_schema(reader.schema, columns), None
            else:
                raise BadFile(f"{path}: neither {', '.join(PARQUET)} nor {', '.join(CSV)}: convert it to Parquet")
        except pa.ArrowInvalid as error:
            raise BadFile(f"{path}: {error}") from error
        _check(path, schema, columns)
        return cls(path, columns, pa.schema([schema.field(column) for column in columns.names]), rows)

    def batches(self, first_row: int = 0) -> Iterator[Any]:
        """Record batches from this row of the file on.

        Raises:
            BadFile: a row cannot be read.
        """
        reading = self._parquet if self.rows is not None else self._csv
        try:
            yield from reading(first_row)
        except pa.ArrowInvalid as error:
            raise BadFile(f"{self.path}: {error}") from error

    def _parquet(self, first_row: int) -> Iterator[Any]:
        series = self.columns.series
        repeated = [series] if series is not None and types.is_string(self.schema.field(series).type) else []
        with pq.ParquetFile(self.path, read_dictionary=repeated) as file:
            skip = first_row
            for groups, rows in _row_groups(file.metadata):
                if skip < rows:
                    yield from _from_row(_batches(file, groups, rows, list(self.columns.names)), skip)
                skip = max(0, skip - rows)

    def _csv(self, first_row: int) -> Iterator[Any]:
        options = pa_csv.ConvertOptions(
            include_columns=list(self.columns.names), column_types={field.name: field.type for field in self.schema}
        )
        with closing(_csv_reader(self.path, options)) as reader:
            yield from _from_row(reader, first_row)


def _batches(file: Any, groups: list[int], rows: int, columns: list[str]) -> Iterator[Any]:  # noqa: ANN401 - pyarrow ships no types
    """These row groups' rows: read whole, in two thirds of the time, where they are not too large for it."""
    if rows * len(columns) > MOST_NUMBERS:
        yield from file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns)
    else:
        whole = file.read_row_groups(groups, columns=columns, use_threads=False)  # the cores are busy with forecasts
        yield from whole.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)


def _row_groups(metadata: Any) -> Iterator[tuple[list[int], int]]:  # noqa: ANN401 - pyarrow ships no types
    """Row groups that are read together, and their rows: small ones many, as each read ends a batch; the reader holds all it is given."""
    groups, rows = [], 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        rows += metadata.row_group(group).num_rows
        if rows >= 4 * BATCH_ROWS:
            yield groups, rows
            groups, rows = [], 0
    if groups:
        yield groups, rows


def _csv_reader(path: Path, options: Any = None) -> Any:  # noqa: ANN401 - pyarrow ships no types
    stream = pa.input_stream(str(path), compression="detect")
    return pa_csv.open_csv(stream, read_options=pa_csv.ReadOptions(block_size=CSV_BLOCK_BYTES), convert_options=options)


def _csv_schema(found: Any, columns: Columns) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Types to read: numbers where numbers are wanted; times and names as they are written."""
    return pa.schema([(name, pa.float64() if name in columns.numbers else pa.string()) for name in found.names])


def _from_row(batches: Iterator[Any], skip: int) -> Iterator[Any]:
    """What follows the first `skip` rows, in batches that have rows."""
    for batch in batches:
        if skip < batch.num_rows:
            yield batch.slice(skip)
        skip = max(0, skip - batch.num_rows)


def _check(path: Path, schema: Any, columns: Columns) -> None:  # noqa: ANN401 - pyarrow ships no types
    missing = [name for name in columns.names if name not in schema.names]
    if missing:
        named = missing[0] in (columns.time, columns.series, columns.target)
        remedy = "say which ones with --time, --series, --target" if named else "the model needs it under this name: add it"
        raise BadFile(f"{path} has no column {missing[0]!r}; it has {', '.join(schema.names)}: {remedy}")
    wanted: list[tuple[str, str, Callable[[Any], bool]]] = [
        (columns.time, "times: dates, timestamps or texts in ISO 8601", _is_time),
        *((name, "numbers", _is_number) for name in columns.numbers),
        *((name, "categories: texts or whole numbers", _is_name) for name in columns.static),
    ]
    if columns.series is not None:
        wanted.append((columns.series, "names of series: texts or whole numbers", _is_name))
    for name, what, fits in wanted:
        kind = schema.field(name).type
        if not fits(kind):
            raise BadFile(f"{path}: column {name!r} holds {kind}, not {what}: convert it, or name another column")


def is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    """Whether a column of this type holds texts, each once or many times."""
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_name(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    return is_text(kind) or bool(types.is_integer(kind))


def _is_time(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    return is_text(kind) or types.is_timestamp(kind) or types.is_date(kind)


def _is_number(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind))

"""A stream of rows -> pieces of work: whole series, which must stand together in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from service.offline.bad_file import BadFile
from service.offline.flat import arrow_of, numbers_of
from service.tasks.panel import MAX_SERIES_ROWS

Name = str | int | None
"""Of a series; none where the file is one series."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole series: rows `bounds[i]` to `bounds[i + 1]` of the table are `names[i]`'s; `end_row` of the file is the first after them."""

    table: Any  # pyarrow ships no types
    names: Sequence[Name]
    bounds: NDArray[np.int64]
    end_row: int


def chunks(batches: Iterable[Any], series: str | None, *, most_series: int, first_row: int = 0) -> Iterator[Chunk]:
    """Series in the order of the file, the batches of which begin at `first_row`; of an overlong one only as much as shows that it is.

    Raises:
        BadFile: a row without a name of a series.
    """
    held: list[Any] = []  # rows of the series that the next batch may continue
    held_rows, open_name, row = 0, None, first_row
    for batch in batches:
        names, starts = _runs(batch, series)
        continued = bool(held) and names[0] == open_name
        bounds = starts + held_rows
        if continued:
            bounds[0] = 0
        elif held:
            names, bounds = [open_name, *names], np.concatenate([[0], bounds])
        cut = int(starts[-1])  # the last of them stays open
        if len(names) > 1:
            whole = pa.Table.from_batches([*held, batch.slice(0, cut)])
            yield from _cut(Chunk(whole, names[:-1], bounds, row + cut), most_series)
            held, held_rows = [], 0
        if held_rows <= MAX_SERIES_ROWS:
            held.append(batch.slice(cut))
            held_rows += batch.num_rows - cut
        open_name = names[-1]
        row += batch.num_rows
    if held:
        yield Chunk(pa.Table.from_batches(held), [open_name], np.array([0, held_rows]), row)


def _cut(chunk: Chunk, most_series: int) -> Iterator[Chunk]:
    for begin in range(0, len(chunk.names), most_series):
        bounds = chunk.bounds[begin : begin + most_series + 1]
        rows = chunk.table.slice(int(bounds[0]), int(bounds[-1] - bounds[0]))
        after = int(chunk.bounds[-1] - bounds[-1])
        yield Chunk(rows, chunk.names[begin : begin + most_series], bounds - bounds[0], chunk.end_row - after)


def once(found: Iterable[Chunk], *, path: object, seen: set[Name]) -> Iterator[Chunk]:
    """The same chunks; `seen` are names of series before them.

    Raises:
        BadFile: a series comes again after another.
    """
    for chunk in found:
        for name in chunk.names:
            if name in seen:
                raise BadFile(
                    f"{path}: series {name!r} comes again after another: the rows of a series must stand together: sort the file by series"
                )
            seen.add(name)
        yield chunk


def _runs(batch: Any, series: str | None) -> tuple[list[Name], NDArray[np.int64]]:  # noqa: ANN401 - pyarrow ships no types
    """Names of the series in the order of the rows, and the row each begins at."""
    if series is None:
        return [None], np.zeros(1, np.int64)
    column = batch.column(series)
    codes = column.indices if types.is_dictionary(column.type) else column
    changes = pc.indices_nonzero(pc.not_equal(codes.slice(1), codes.slice(0, len(codes) - 1)))
    if column.null_count:
        raise BadFile(f"column {series!r}: a row has no name of a series: write it or remove the row")
    starts = np.concatenate([[0], numbers_of(changes).astype(np.int64) + 1])
    first = column.take(arrow_of(starts))
    names = (first.dictionary_decode() if types.is_dictionary(column.type) else first).to_pylist()
    if "" in names:
        raise BadFile(f"column {series!r}: a row has no name of a series: write it or remove the row")
    return names, starts

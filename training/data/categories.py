"""Columns of text that are the same for all rows of a series -> its categories, as codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.contract.static_column import MAX_CATEGORIES, MAX_TEXT, StaticColumn
from training.data.files import DataError
from training.data.tables import Table

Texts = tuple[str, ...]
"""Of a series, one for each column; '' where no row has one."""


def static_texts(table: Table, names: Sequence[str], ids: Sequence[str | None], codes: NDArray[np.int64]) -> dict[str | None, Texts]:
    """The texts of each series of `ids`; `codes` (rows,) say which of them a row belongs to.

    Raises:
        DataError: a series has two texts, or a column holds what is no text.
    """
    columns = [_texts(table, name, ids, codes) for name in names]
    return {one: tuple(column[place] for column in columns) for place, one in enumerate(ids)}


def static_columns(names: Sequence[str], texts: Sequence[Texts], *, source: str) -> tuple[StaticColumn, ...]:
    """The columns with the categories that there are, in the order of the alphabet.

    Raises:
        DataError: none, or too many.
    """
    columns = []
    for name, found in zip(names, zip(*texts, strict=True), strict=True):
        categories = sorted(set(found) - {""})
        if not 1 <= len(categories) <= MAX_CATEGORIES:
            few = f"column {name!r} has {len(categories)} categories, and 1 to {MAX_CATEGORIES} are taken"
            raise DataError(f"{source}: {few}: take it out of --static, or join rare ones")
        columns.append(StaticColumn(name=name, categories=tuple(categories)))
    return tuple(columns)


def codes_of(columns: Sequence[StaticColumn], texts: Sequence[str]) -> tuple[int, ...]:
    """What the graph is given for the texts of a series, one for each column."""
    return tuple(column.code(text) for column, text in zip(columns, texts, strict=True))


def _texts(table: Table, name: str, ids: Sequence[str | None], codes: NDArray[np.int64]) -> list[str]:
    """The text of each series in one column; rows without one do not count."""
    if pd.api.types.is_float_dtype(table.frame[name]):
        raise DataError(f"{table.name}, column {name!r}: numbers with a decimal point are no categories: write them as text")
    pairs = pd.DataFrame({"series": codes, "text": table.text(name).to_numpy(object), "row": table.rows})
    pairs = pairs[pairs["text"] != ""].drop_duplicates(["series", "text"])
    again = pairs[pairs.duplicated("series")]
    if len(again):
        series, second, row = again.iloc[0]
        first = pairs[pairs["series"] == series].iloc[0]["text"]
        of_series = "" if ids[series] is None else f" of series {ids[series]!r}"
        raise DataError(
            f"{table.name} row {row}, column {name!r}{of_series}: {second!r} after {first!r}: a series has one text here: "
            "correct it, or take the column out of --static"
        )
    too_long = pairs[pairs["text"].str.len() > MAX_TEXT]
    if len(too_long):
        raise DataError(f"{table.name} row {too_long.iloc[0]['row']}, column {name!r}: a text of over {MAX_TEXT} characters: shorten it")
    found = [""] * len(ids)
    for series, text in zip(pairs["series"], pairs["text"], strict=True):
        found[series] = text
    return found

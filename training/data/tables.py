"""CSV and Parquet files as columns that know their rows, so that an error can say where to look."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from training.data.files import DataError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})
"""Texts that stand for a missing number, in any case."""
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows. `rows` (n,) are their numbers in the file: as an editor counts in a CSV, from 1 on in Parquet."""

    name: str
    frame: pd.DataFrame
    rows: NDArray[np.int64]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the file's order."""
        return [str(name) for name in self.frame.columns]

    def require(self, names: Sequence[str]) -> None:
        """Check that the file has these columns.

        Raises:
            DataError: it has not; the message lists those it has.
        """
        for name in names:
            if name not in self.frame.columns:
                only = self.columns[0] if len(self.columns) == 1 else ""
                hint = ": separate the columns by commas" if ";" in only or "\t" in only else ""
                raise DataError(f"{self.name} has no column {name!r}; it has {', '.join(map(repr, self.columns))}{hint}")

    def keep(self, wanted: NDArray[np.bool_]) -> Table:
        """The rows where `wanted` (n,) is true."""
        return replace(self, frame=self.frame.loc[wanted].reset_index(drop=True), rows=self.rows[wanted])

    def text(self, name: str) -> pd.Series[str]:
        """A column as stripped text, '' where nothing stands."""
        return self.frame[name].astype("string").fillna("").str.strip()

    def numbers(self, name: str) -> NDArray[np.float32]:
        """A column as numbers, NaN where empty, NA or NaN.

        Raises:
            DataError: text, or a number beyond a 32-bit float; the message names row, column and text.
        """
        column = self.frame[name]
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        if np.isnan(values).any() and not pd.api.types.is_numeric_dtype(column):
            text = self.text(name)
            missing = text.str.lower().isin(MISSING).to_numpy(np.bool_)
            values = pd.to_numeric(text.astype(object).where(~missing, None), errors="coerce").to_numpy(np.float64, na_value=np.nan)
            self._refuse(np.isnan(values) & ~missing, name, "is not a number: correct it, or leave it empty where the value is missing")
        self._refuse(np.abs(values) > _LARGEST, name, "is not finite as a 32-bit float: correct it, or leave it empty")
        return values.astype(np.float32)

    def _refuse(self, wrong: NDArray[np.bool_], name: str, reason: str) -> None:
        at = np.flatnonzero(wrong)
        if at.size:
            more = f" ({at.size - 1} more rows like it)" if at.size > 1 else ""
            raise DataError(f"{self.name} row {self.rows[at[0]]}, column {name!r}: {str(self.frame[name].iloc[at[0]])!r} {reason}{more}")


def read_table(path: Path, *, header: bool = True) -> Table:
    """Read a CSV(.gz), as text, or a Parquet file, with its types; blank lines are passed over. Without `header`, columns are '1', '2', ...

    Raises:
        DataError: of another kind, not readable, or without a row of data.
    """
    names = "".join(path.suffixes[-2:]).lower()
    try:
        if names.endswith((".parquet", ".pq")):
            frame = _read_parquet(path)
            rows = np.arange(1, len(frame) + 1)
        elif names.endswith((".csv", ".csv.gz")):
            frame = _read_csv(path, header)
            rows = np.arange(len(frame)) + 1 + header
        else:
            raise DataError(f"{path.name} is of an unknown kind: give a .csv, .csv.gz or .parquet file")
    except (EmptyDataError, ParserError, ParserWarning, UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read as a table: {str(error).strip()}") from error
    blank = frame.isna().all(axis=1).to_numpy(np.bool_)
    table = Table(path.name, frame, rows).keep(~blank)
    if not len(table.rows):
        raise DataError(f"{path.name} holds no row of data")
    return table


def _read_csv(path: Path, header: bool) -> pd.DataFrame:
    with warnings.catch_warnings():
        # a row with more fields than the header would lose them with a warning only
        warnings.simplefilter("error", ParserWarning)
        frame = pd.read_csv(
            path,
            header=0 if header else None,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            skipinitialspace=True,
            index_col=False,
            encoding="utf-8-sig",
        )
    frame.columns = pd.Index(
        [str(name).strip() for name in frame.columns] if header else [str(number + 1) for number in range(frame.shape[1])]
    )
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except ValueError as error:  # pyarrow's ArrowInvalid is one
        raise DataError(f"{path.name} is not a Parquet file: {error}") from error
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()

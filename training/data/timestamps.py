"""A column of times as local wall times on one clock, whatever UTC offsets it is written in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.contract.calendar import Times
from training.data.files import DataError
from training.data.tables import Table

_OFFSET = r"[T ]\d{2}.*?\s*(Z|[+-]\d{2}(?::?\d{2})?)$"
Offsets = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Wall times (n,), whether they came with UTC offsets, and what was done to them in plain words."""

    times: Times
    zoned: bool
    repairs: tuple[str, ...]

    @property
    def daily(self) -> bool:
        """Whether all stand at one time of day."""
        return _one_time_of_day(self.times)


def read_times(table: Table, name: str) -> Timestamps:
    """Read a column of ISO 8601 times, with or without UTC offsets; all are put on the clock of the first row's offset.

    Where all rows stand at one time of day (daily and longer steps), the wall times are kept as they are instead.

    Raises:
        DataError: a row without a time, with another notation, with fractions of a second, or without an offset where others have one.
    """
    column = table.frame[name]
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        wall, offsets = _typed(table, name)
    else:
        wall, offsets = _parsed(table, name)
    fractions = np.flatnonzero(wall != wall.astype("datetime64[s]"))
    if fractions.size:
        raise DataError(
            f"{table.name} row {table.rows[fractions[0]]}, column {name!r}: fractions of a second are not supported: round the times"
        )
    wall = wall.astype("datetime64[s]")
    if offsets is None:
        return Timestamps(wall, zoned=False, repairs=())
    return _one_clock(wall, offsets, name)


def _typed(table: Table, name: str) -> tuple[Times, Offsets | None]:
    column = table.frame[name]
    _refuse_missing(table, name, column.isna().to_numpy(np.bool_))
    if getattr(column.dt, "tz", None) is None:
        return column.to_numpy(), None
    wall: Times = column.dt.tz_localize(None).to_numpy()
    utc: Times = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return wall, (wall - utc).astype("timedelta64[s]").astype(np.int64)


def _parsed(table: Table, name: str) -> tuple[Times, Offsets | None]:
    text = table.text(name)
    _refuse_missing(table, name, (text == "").to_numpy(np.bool_))
    suffix = text.str.extract(_OFFSET, expand=False).fillna("")
    zoned = (suffix != "").to_numpy(np.bool_)
    bare = text
    if zoned.any():
        if not zoned.all():
            row = table.rows[np.flatnonzero(~zoned)[0]]
            raise DataError(
                f"{table.name} row {row}, column {name!r}: no UTC offset, but other rows have one: write it in all rows or in none"
            )
        bare = pd.Series([time[: len(time) - len(end)].rstrip() for time, end in zip(text, suffix, strict=True)], dtype=object)
    wall = pd.to_datetime(bare.astype(object), format="ISO8601", errors="coerce")
    wrong = np.flatnonzero(wall.isna().to_numpy(np.bool_))
    if wrong.size:
        where = f"{table.name} row {table.rows[wrong[0]]}, column {name!r}"
        raise DataError(f"{where}: {text.iloc[wrong[0]]!r} is not a time: write ISO 8601, such as 2026-01-31 09:00:00")
    return wall.to_numpy(), np.array([_seconds(end) for end in suffix], np.int64) if zoned.any() else None


def _refuse_missing(table: Table, name: str, missing: NDArray[np.bool_]) -> None:
    if missing.any():
        raise DataError(f"{table.name} row {table.rows[np.flatnonzero(missing)[0]]}, column {name!r}: no time: write it or remove the row")


def _one_clock(wall: Times, offsets: Offsets, name: str) -> Timestamps:
    distinct = sorted({int(offset) for offset in offsets})
    if len(distinct) == 1:
        return Timestamps(wall, zoned=True, repairs=())
    written = ", ".join(_offset_text(offset) for offset in distinct)
    if _one_time_of_day(wall):
        repair = (
            f"{name!r} is written in {len(distinct)} UTC offsets ({written}), always at the same time of day: the local dates were kept"
        )
        return Timestamps(wall, zoned=True, repairs=(repair,))
    first = int(offsets[0])
    repair = f"{name!r} is written in {len(distinct)} UTC offsets ({written}): all times were put on the first row's, {_offset_text(first)}"
    return Timestamps(wall - (offsets - first).astype("timedelta64[s]"), zoned=True, repairs=(repair,))


def _one_time_of_day(wall: Times) -> bool:
    return len(np.unique(wall - wall.astype("datetime64[D]"))) == 1


def _seconds(offset: str) -> int:
    if offset == "Z":
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if offset[0] == "-" else seconds


def _offset_text(seconds: int) -> str:
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"

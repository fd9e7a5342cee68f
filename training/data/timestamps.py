"""A column of times as times on one clock, whatever UTC offsets it is written in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.contract.frequency import Times
from service.contract.time_zone import instants, local_days, utc_offsets
from training.data.files import DataError
from training.data.tables import Table

_OFFSET = r"[T ]\d{2}.*?\s*(Z|[+-]\d{2}(?::?\d{2})?)$"
Offsets = NDArray[np.int64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Times (n,), whether they came with UTC offsets, and what was done to them in plain words.

    They are wall times; UTC (`absolute`) where steps of less than a day run in a time zone, whose clocks are `phase_s` ahead of it at the
    first row.
    """

    times: Times
    zoned: bool
    repairs: tuple[str, ...]
    phase_s: int = 0
    absolute: bool = False

    @property
    def daily(self) -> bool:
        """Whether all stand at one time of day."""
        return _one_time_of_day(self.times)


@dataclass(frozen=True, slots=True)
class Zone:
    """How to read times in an IANA time zone: the series of each row (n,), and whether steps are whole days (none: as the times look)."""

    name: str
    series: Codes
    whole_days: bool | None = None


def read_times(table: Table, name: str, zone: Zone | None = None) -> Timestamps:
    """Read a column of ISO 8601 times, with or without UTC offsets.

    Without a time zone all are put on the clock of the first row's offset; where all stand at one time of day (daily and longer steps),
    the wall times are kept as they are instead. In a time zone offsets make them exact and times without one are its wall times: of those
    that its clocks showed twice the row that comes second is the later hour. Whole days keep their local dates, and what is written at
    midnight, in whatever offset, is a date; shorter steps become UTC.

    Raises:
        DataError: a row without a time, with another notation, with fractions of a second, without an offset where others have one, or
            with a time that the zone's clocks leap over.
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
    if zone is not None:
        return _in_zone(table, name, wall, offsets, zone)
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


def _in_zone(table: Table, name: str, wall: Times, offsets: Offsets | None, zone: Zone) -> Timestamps:
    days = local_days(zone.name, wall, offsets)
    whole_days = _one_time_of_day(days, zone.series) if zone.whole_days is None else zone.whole_days
    if whole_days:
        return Timestamps(days, zoned=True, repairs=())
    repairs: tuple[str, ...] = ()
    if offsets is not None:
        utc = wall - offsets.astype("timedelta64[s]")
    else:
        found = instants(zone.name, wall, later=_second_shows(wall, zone.series))
        skipped = np.flatnonzero(found.skipped)
        if skipped.size:
            where = f"{table.name} row {table.rows[skipped[0]]}, column {name!r}"
            raise DataError(
                f"{where}: {wall[skipped[0]]} never was in {zone.name}, where clocks went forward over it: these times are of another "
                "clock: name its zone (--time-zone), such as UTC, or write their UTC offsets"
            )
        utc = found.times
        if found.repeated.any():
            twice = f"{name!r} has {found.repeated.sum()} rows within hours that clocks in {zone.name} showed twice"
            repairs = (f"{twice}: where a time stands twice, the second is the later hour",)
    return Timestamps(utc, zoned=True, repairs=repairs, phase_s=int(utc_offsets(zone.name, utc[:1])[0]), absolute=True)


def _second_shows(wall: Times, series: Codes) -> NDArray[np.bool_]:
    """Rows whose wall time their series has shown before, whether its rows go forward or back in time."""
    rows = pd.DataFrame({"series": series, "wall": wall})
    ends = rows.groupby("series")["wall"].agg(["first", "last"])
    backward = (ends["last"] < ends["first"]).to_numpy(np.bool_)[series]
    same = rows.groupby(["series", "wall"])
    passed = np.where(backward, same.cumcount(ascending=False), same.cumcount())
    return np.asarray(passed > 0)


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


def _one_time_of_day(wall: Times, series: Codes | None = None) -> bool:
    """Whether all rows, or those of each series, stand at the same time of day."""
    seconds = (wall - wall.astype("datetime64[D]")).astype(np.int64)
    if series is None:
        return len(np.unique(seconds)) == 1
    return bool((pd.Series(seconds).groupby(series).nunique() == 1).all())


def _seconds(offset: str) -> int:
    if offset == "Z":
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if offset[0] == "-" else seconds


def _offset_text(seconds: int) -> str:
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"

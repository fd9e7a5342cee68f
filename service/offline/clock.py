"""Columns of times <-> times on a model's clock: for many series what `parse_times` and `iso_times` do for one."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from service.contract.clock import Clock
from service.contract.frequency import Times
from service.contract.time_zone import instants, utc_offsets
from service.offline.bad_file import BadFile
from service.offline.flat import arrow_of, numbers_of
from service.offline.series_file import is_text
from service.tasks.timestamps import clock_times

Offsets = NDArray[np.int64]
"""Seconds ahead of UTC."""
UTC = "UTC"
NEVER = np.iinfo(np.int64).min
"""What numpy writes for no time."""
_OFFSET = r"(?P<offset>Z|[+-]\d{2}:?\d{2}|[+-]\d{2})$"
_FIXED = re.compile(r"[+-]\d{2}:\d{2}")
_ZONED = re.compile(r"[T ]\d{2}.*" + _OFFSET)


def zone_of(column: Any) -> str | None:  # noqa: ANN401 - pyarrow ships no types
    """The zone of a column, UTC where its first text has an offset; None of wall times."""
    if types.is_timestamp(column.type):
        zone: str | None = column.type.tz
        return zone
    if not is_text(column.type):
        return None
    first = next((text for text in column.to_pylist() if text), "")
    return UTC if _ZONED.search(first) else None


def stamps(column: Any) -> NDArray[np.integer[Any]]:  # noqa: ANN401 - pyarrow ships no types
    """Numbers (rows,) that are the same where the column's times are: told sooner than the times."""
    if is_text(column.type):
        return numbers_of(column.cast(pa.string()).combine_chunks().dictionary_encode().indices, missing=-1)
    moments = column if types.is_timestamp(column.type) else column.cast(pa.timestamp("s"))
    return numbers_of(moments.cast(pa.int64()), missing=NEVER)


def wall_times(column: Any, zone: str | None, *, name: str) -> tuple[Times, Offsets | None]:  # noqa: ANN401 - pyarrow ships no types
    """Wall times (rows,), NaT where missing, and their offsets where there is a zone.

    Raises:
        BadFile: a text that is no time, or one without an offset where others have one.
    """
    try:
        if is_text(column.type):
            return _parsed(column.cast(pa.string()), zone)
        if zone is None:
            return _seconds(column), None
        utc = _seconds(column)
        offsets = _offsets(zone, utc)
        return utc + offsets.astype("timedelta64[s]"), offsets
    except pa.ArrowInvalid as error:
        remedy = "write ISO 8601, such as 2026-01-31 09:00:00, with an offset from UTC in all rows or in none"
        raise BadFile(f"column {name!r}: {error}: {remedy}") from error


def on_clock(clock: Clock, wall: Times, offsets: Offsets | None, bounds: NDArray[np.int64]) -> Times:
    """Times (rows,) of series with these bounds on a model's clock, NaT where local clocks never showed one."""
    if offsets is None and clock.time_zone is None:
        return wall
    if offsets is not None and clock.absolute:
        utc: Times = wall - offsets.astype("timedelta64[s]")
        return utc
    if offsets is not None and clock.time_zone is None and np.array_equal(offsets, np.repeat(offsets[bounds[:-1]], np.diff(bounds))):
        return wall
    times = np.empty_like(wall)
    for begin, end in pairwise(bounds.tolist()):
        own, skipped = clock_times(clock, wall[begin:end], None if offsets is None else offsets[begin:end])
        times[begin:end] = np.where(skipped, np.datetime64("NaT"), own)
    return times


def told(clock: Clock, times: Times, offsets: Offsets, zone: str | None) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Times (series, steps) on a model's clock as one column: instants where the file has a zone, else wall times.

    `offsets` (series,) are those that the histories began with, 0 without a zone.
    """
    flat = times.reshape(-1)
    if zone is None:
        return _column(clock.wall(flat), None)
    if clock.absolute:
        return _column(flat, zone)
    if clock.time_zone is None and clock.frequency.whole_days and "/" in zone:  # midnight stays midnight when clocks change
        return _column(instants(zone, flat, later=np.zeros(len(flat), np.bool_)).times, zone)
    own = clock.offsets(flat)
    ahead = np.repeat(offsets, times.shape[1]) if own is None else own
    return _column(flat - ahead.astype("timedelta64[s]"), zone)


def _column(times: Times, zone: str | None) -> Any:  # noqa: ANN401 - pyarrow ships no types
    return arrow_of(times.astype("datetime64[us]").view(np.int64)).view(pa.timestamp("us", zone))


def _seconds(column: Any) -> Times:  # noqa: ANN401 - pyarrow ships no types
    zone = column.type.tz if types.is_timestamp(column.type) else None
    seconds = column.cast(pa.timestamp("s", zone), safe=False).cast(pa.int64())
    times: Times = numbers_of(seconds, missing=NEVER).view("datetime64[s]")
    return times


def _offsets(zone: str, utc: Times) -> Offsets:
    if _FIXED.fullmatch(zone):
        return np.full(len(utc), _offset_s(zone))
    return np.zeros(len(utc), np.int64) if zone == UTC else utc_offsets(zone, utc)


def _parsed(text: Any, zone: str | None) -> tuple[Times, Offsets | None]:  # noqa: ANN401 - pyarrow ships no types
    times = _seconds(text.cast(pa.timestamp("us", zone)))
    if zone is None:
        return times, None
    written = pc.struct_field(pc.extract_regex(text, _OFFSET), "offset")
    distinct = {offset: _offset_s(offset) for offset in pc.unique(written).to_pylist() if offset}
    offsets = np.zeros(len(times), np.int64)
    for offset, seconds in distinct.items():
        offsets[pc.fill_null(pc.equal(written, offset), False).to_numpy()] = seconds
    return times + offsets.astype("timedelta64[s]"), offsets


def _offset_s(text: str) -> int:
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if text[0] == "-" else seconds

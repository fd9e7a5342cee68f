"""Wall times of an IANA time zone <-> UTC, whole arrays at once; all times are `datetime64[s]`."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import SECONDS, Times

Seconds = NDArray[np.int64]

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Beyond these a zone keeps the offset of the nearest of them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Instants:
    """Wall times as UTC, (n,). The clocks showed those that are `repeated` twice, and leapt over those that are `skipped`."""

    times: Times
    repeated: NDArray[np.bool_]
    skipped: NDArray[np.bool_]


def check_zone(name: str) -> None:
    """Do nothing where there is such a time zone.

    Raises:
        ValueError: there is none.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}: give a name of the IANA database, such as Europe/Berlin or UTC") from error


def utc_offsets(zone: str, times: Times) -> Seconds:
    """Seconds that the zone's clocks are ahead of UTC at these UTC times, (n,)."""
    years = np.clip(times.astype("datetime64[Y]").astype(np.int64) + 1970, FIRST_YEAR, LAST_YEAR)
    tables = [_changes(zone, int(year)) for year in np.unique(years)]
    if not tables:
        return np.empty(0, np.int64)
    begins, offsets = (np.concatenate(columns) for columns in zip(*tables, strict=True))
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return offsets[np.maximum(np.searchsorted(begins, seconds, side="right") - 1, 0)]


def wall_times(zone: str, times: Times) -> Times:
    """What the zone's clocks show at these UTC times, (n,)."""
    wall: Times = times + utc_offsets(zone, times).astype("timedelta64[s]")
    return wall


def instants(zone: str, wall: Times, *, later: NDArray[np.bool_]) -> Instants:
    """The UTC times at which the zone's clocks show `wall`, (n,): of those shown twice the later where `later` says so, as in PEP 495.

    A time that clocks leap over is taken as if they had not.
    """
    day = np.timedelta64(SECONDS["D"], "s")
    before, after = utc_offsets(zone, wall - day), utc_offsets(zone, wall + day)
    holds_before, holds_after = (utc_offsets(zone, _shifted(wall, offsets)) == offsets for offsets in (before, after))
    repeated = holds_before & holds_after & (before != after)
    chosen = np.where(holds_after & (~holds_before | (repeated & later)), after, before)
    return Instants(_shifted(wall, chosen), repeated, ~holds_before & ~holds_after)


def local_days(zone: str, wall: Times, offsets: Seconds | None) -> Times:
    """Wall times in the zone of whole days that were written `offsets` seconds ahead of UTC, (n,).

    A midnight is a date as it stands, in whatever offset, and so is a day without one (none).
    """
    if offsets is None:
        return wall
    return np.where(wall == wall.astype("datetime64[D]"), wall, wall_times(zone, _shifted(wall, offsets)))


def second_shows(wall: Times) -> NDArray[np.bool_]:
    """Which of these wall times, in the order in which they passed, come within a day after clocks were seen to go back, (n,)."""
    back = np.append(False, np.diff(wall) <= np.timedelta64(0, "s"))
    latest = np.maximum.accumulate(np.where(back, np.arange(len(wall)), -1))
    return (latest >= 0) & (wall - wall[latest] < np.timedelta64(SECONDS["D"], "s"))


def _shifted(wall: Times, offsets: Seconds) -> Times:
    utc: Times = wall - offsets.astype("timedelta64[s]")
    return utc


@lru_cache(maxsize=1024)
def _changes(zone: str, year: int) -> tuple[Seconds, Seconds]:
    """From when in a year, in UTC seconds since 1970, which offset holds: the first from the year's first second, (changes + 1,) each."""
    known = ZoneInfo(zone)
    first, end = (int(np.datetime64(f"{number}-01-01", "s").astype(np.int64)) for number in (year, year + 1))
    begins, offsets = [first], [_offset(known, first)]
    for before, after in pairwise(range(first, end + 1, SECONDS["D"])):
        if _offset(known, after) != offsets[-1]:
            moments = range(before, after + 1)
            begins.append(moments[bisect_left(moments, True, key=lambda moment: _offset(known, moment) != offsets[-1])])
            offsets.append(_offset(known, after))
    return np.array(begins), np.array(offsets)


def _offset(zone: ZoneInfo, moment: int) -> int:
    offset = (_EPOCH + timedelta(seconds=moment)).astimezone(zone).utcoffset()
    return int((offset or timedelta(0)).total_seconds())

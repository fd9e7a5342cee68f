"""Times as people write them <-> places on a model's regular grid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from service.contract.clock import Clock
from service.contract.frequency import Frequency, Times
from service.contract.time_zone import instants, local_days, second_shows
from service.tasks.dialogue import QuestionError, Where

Offsets = NDArray[np.int64]


def parse_time(text: str, *, where: Where) -> tuple[np.datetime64, timedelta | None]:
    """Local wall time and offset from UTC (none: not said) of an ISO 8601 text.

    Raises:
        QuestionError: not such a text.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise QuestionError(f"{text!r} is not a time: write ISO 8601, such as 2026-01-31T09:00:00", where=where) from None
    return np.datetime64(time.replace(tzinfo=None), "s"), time.utcoffset()


def parse_start(clock: Clock, text: str, *, where: Where) -> tuple[np.datetime64, timedelta | None]:
    """The first time of a series on its clock, and the offset from UTC that it came with.

    Raises:
        QuestionError: not a time, or no series of this step begins there.
    """
    wall, offset = parse_time(text, where=where)
    times, skipped = clock_times(clock, np.array([wall]), _seconds([offset]))
    if skipped.any():
        raise _never_shown(clock, text, where)
    if not clock.frequency.fits(times[0]):
        raise QuestionError(f"{text} is no {clock.frequency.place}: a series of this model begins on one", where=where)
    return times[0], offset


def parse_times(clock: Clock, timestamps: Sequence[str], *, where: Where) -> tuple[Times, timedelta | None]:
    """Times on a model's clock, and the first one's offset from UTC.

    Raises:
        QuestionError: a text that is no time, offsets in some only, or a time without an offset that the time zone's clocks leap over.
    """
    parsed = [parse_time(text, where=(*where, position)) for position, text in enumerate(timestamps)]
    offset = parsed[0][1]
    mixed = next((position for position, (_, own) in enumerate(parsed) if (own is None) != (offset is None)), None)
    if mixed is not None:
        raise QuestionError("some timestamps have an offset from UTC and some have none: send all alike", where=(*where, mixed))
    wall = np.array([time for time, _ in parsed], "datetime64[s]")
    times, skipped = clock_times(clock, wall, _seconds([own for _, own in parsed]))
    if skipped.any():
        position = int(skipped.argmax())
        raise _never_shown(clock, timestamps[position], (*where, position))
    return times, offset


def clock_times(clock: Clock, wall: Times, offsets: Offsets | None) -> tuple[Times, NDArray[np.bool_]]:
    """One series' wall times, in their order, on its clock, (n,), and which of them local clocks never showed, (n,).

    `offsets` are the seconds that each is ahead of UTC, none where not said. Without a time zone all are put on the clock of the first
    one's offset, and whole days at one time of day stay as they are. In a time zone `offsets` make them exact; without, they are its wall
    times, and one that clocks showed twice is the later where the times have gone back.
    """
    none = np.zeros(len(wall), np.bool_)
    if clock.time_zone is not None and not clock.absolute:
        return local_days(clock.time_zone, wall, offsets), none
    if clock.time_zone is not None and offsets is None:
        found = instants(clock.time_zone, wall, later=second_shows(wall))
        return found.times, found.skipped
    if offsets is None or (clock.frequency.whole_days and one_time_of_day(wall)):
        return wall, none
    ahead = offsets if clock.absolute else offsets - offsets[0]
    return wall - ahead.astype("timedelta64[s]"), none


def one_time_of_day(wall: Times) -> bool:
    """Whether all stand at the same time of the clock."""
    return len(np.unique(wall - wall.astype("datetime64[D]"))) == 1


def steps_on_grid(frequency: Frequency, times: Times, timestamps: Sequence[str], *, where: Where) -> NDArray[np.int64]:
    """The place of each time on the grid that begins at the first; `timestamps` is how the caller wrote them.

    Raises:
        QuestionError: times that do not rise, or one that is not on the grid.
    """
    late = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "s"))
    if late.size:
        position = int(late[0]) + 1
        raise QuestionError(f"timestamps must rise: {timestamps[position]} follows {timestamps[position - 1]}", where=(*where, position))
    steps = frequency.steps_between(times[0], times)
    off = np.flatnonzero(steps < 0)
    if off.size:
        position = int(off[0])
        astray = f"is not a whole number of steps of {frequency} after {timestamps[0]}, or too far from it"
        wrong = astray if position else f"is no {frequency.place}"
        raise QuestionError(f"{timestamps[position]} {wrong}", where=(*where, position))
    return steps


def iso_times(clock: Clock, times: Times, offset: timedelta | None) -> list[str]:
    """ISO 8601 texts of times on a model's clock: local in its time zone, with the offset that holds then; else as sent, in `offset`."""
    texts: list[str] = np.datetime_as_string(clock.wall(times), unit="s").tolist()
    offsets = clock.offsets(times)
    if offsets is not None:
        suffixes = {seconds: _suffix(seconds) for seconds in np.unique(offsets).tolist()}
        return [text + suffixes[seconds] for text, seconds in zip(texts, offsets.tolist(), strict=True)]
    suffix = "" if offset is None else _suffix(round(offset.total_seconds()))
    return [text + suffix for text in texts] if suffix else texts


def _seconds(offsets: Sequence[timedelta | None]) -> Offsets | None:
    """Offsets in seconds; none where there are none."""
    known = [round(offset.total_seconds()) for offset in offsets if offset is not None]
    return np.array(known, np.int64) if known else None


def _never_shown(clock: Clock, text: str, where: Where) -> QuestionError:
    remedy = "correct it, or send it with its offset from UTC"
    return QuestionError(f"{text} never was in {clock.time_zone}, where clocks went forward over it: {remedy}", where=where)


def _suffix(seconds: int) -> str:
    minutes, rest = divmod(abs(seconds), 60)
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}" + (f":{rest:02d}" if rest else "")

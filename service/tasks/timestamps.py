"""Times as people write them <-> places on a model's regular grid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from service.contract.calendar import Frequency, Times
from service.tasks.dialogue import QuestionError, Where


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


def parse_times(frequency: Frequency, timestamps: Sequence[str], *, where: Where) -> tuple[Times, timedelta | None]:
    """Wall times, all in the first one's offset from UTC: wall time moves with daylight saving, the grid does not.

    Days that all begin at one time of the clock are kept as they are, whatever their offsets.

    Raises:
        QuestionError: a text that is no time, or offsets in some only.
    """
    parsed = [parse_time(text, where=(*where, position)) for position, text in enumerate(timestamps)]
    offset = parsed[0][1]
    mixed = next((position for position, (_, own) in enumerate(parsed) if (own is None) != (offset is None)), None)
    if mixed is not None:
        raise QuestionError("some timestamps have an offset from UTC and some have none: send all alike", where=(*where, mixed))
    times = np.array([time for time, _ in parsed], "datetime64[s]")
    if offset is None or (frequency.whole_days and len(np.unique(times - times.astype("datetime64[D]"))) == 1):
        return times, offset
    moved = [int((own - offset).total_seconds()) for _, own in parsed if own is not None]
    return times - np.array(moved, "timedelta64[s]"), offset


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
        wrong = (
            f"is not a whole number of steps of {frequency} after {timestamps[0]}, or too far from it" if position else "is no business day"
        )
        raise QuestionError(f"{timestamps[position]} {wrong}", where=(*where, position))
    return steps


def iso_times(times: Times, offset: timedelta | None) -> list[str]:
    """ISO 8601 texts of wall times, with their offset from UTC where there is one."""
    texts: list[str] = np.datetime_as_string(times, unit="s").tolist()
    if offset is None:
        return texts
    minutes = round(offset.total_seconds() / 60)
    suffix = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return [text + suffix for text in texts]

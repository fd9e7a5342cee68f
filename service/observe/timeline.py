"""When one request waited and when it was computed, kept only where somebody will tell of it: a line of the log, or a span."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Passage:
    """A request's way through a queue and a graph; its times are nanoseconds of `time.monotonic`.

    `rows` were computed from `taken_ns` on; 0 where the request was given up in the queue, which it left at `taken_ns` then.
    """

    rows: int
    submitted_ns: int
    taken_ns: int
    finished_ns: int


@dataclass(slots=True)
class Timeline:
    """The passages of one request, several where a model is asked word by word, and the slug of the error that it got."""

    passages: list[Passage] = field(default_factory=list)
    error: str = ""


CURRENT: ContextVar[Timeline | None] = ContextVar("timeline", default=None)
"""That of the request which is being answered; None where nobody will tell of it."""

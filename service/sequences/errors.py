"""Every way a step of a sequence may fail beside those of any question.

ServiceError
├── SequencesClosed          403  sequences are not kept here
├── SequenceNotFound         404
├── SequenceConflict         409  the step is not the next one, or the model is not the one it began on
├── SequencesFull            429  come back after `Retry-After` seconds
└── SequenceStoreFailed      503  what keeps the sequences does not answer
"""

# ruff: noqa: N818 - the names say what happened, as those of service/errors.py do

from __future__ import annotations

import math

from service.errors import MAX_RETRY_AFTER_S, ServiceError
from service.sequences.standing import Absence


class SequencesClosed(ServiceError):
    """Sequences are not kept here."""

    status = 403
    title = "No sequences here"
    slug = "sequences-closed"

    def __init__(self) -> None:
        super().__init__(
            "sequences are kept in the memory of one process and several answer here: start the service with --workers 1 or with "
            "--sequence-store redis://HOST:PORT, or send each state as a tensor and no sequence_id"
        )


class SequenceNotFound(ServiceError):
    """Nothing is known of the sequence, it has ended, or it was idle for too long."""

    status = 404
    title = "Unknown sequence"
    slug = "sequence-not-found"

    def __init__(self, model: str, sequence: str, absence: Absence, *, idle_s: float) -> None:
        match absence:
            case "unknown":
                why = "was never begun here, or so long ago that nothing is known of it: begin it with sequence_start"
            case "ended":
                why = "has ended: begin it again with sequence_start"
            case "expired":
                why = f"was idle for over {idle_s:g} s and is forgotten: begin it again with sequence_start"
        super().__init__(f"sequence {sequence!r} of {model!r} {why}")


class SequenceConflict(ServiceError):
    """The step is not the one that is next, or what it goes on from is of another model."""

    status = 409
    title = "Not the next step"
    slug = "sequence-conflict"


class SequencesFull(ServiceError):
    """More sequences, or steps of one, than are kept."""

    status = 429
    title = "Too many sequences"
    slug = "sequences-full"

    def __init__(self, detail: str, *, wait_s: float = 0.0) -> None:
        retry_after_s = min(max(math.ceil(wait_s), 1), MAX_RETRY_AFTER_S)
        super().__init__(f"{detail}: send this again after {retry_after_s} s", headers={"Retry-After": str(retry_after_s)})


class SequenceStoreFailed(ServiceError):
    """What keeps the sequences does not answer; the log says why."""

    status = 503
    title = "The store of sequences does not answer"
    slug = "sequence-store-failed"

    def __init__(self) -> None:
        super().__init__(
            "the store of sequences does not answer: send this again later; with a sequence_index no step is taken twice",
            headers={"Retry-After": "1"},
        )


SEQUENCE_ERRORS: tuple[type[ServiceError], ...] = (
    SequencesClosed,
    SequenceNotFound,
    SequenceConflict,
    SequencesFull,
    SequenceStoreFailed,
)

"""What can be told of a request once it is over. Nothing of its body is in it, and no text that could end a line or begin another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.observe.timeline import Passage

CANCELLED = "cancelled"
"""The error of a request whose caller left before there was an answer."""


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """One request; its times are nanoseconds of `time.monotonic`.

    `route` is the template that fitted and `model` the name of a served model, both empty where there is none; `path` is as it was
    sent, printable, without the query; `version` is of the model that answered, `status` None where nothing was.
    """

    request_id: str
    method: str
    route: str
    path: str
    model: str
    version: int | None
    status: int | None
    error: str
    started_ns: int
    finished_ns: int
    passages: Sequence[Passage] = ()

    @property
    def duration_ns(self) -> int:
        """From the request's head to the end of its answer."""
        return self.finished_ns - self.started_ns

    @property
    def queue_ns(self) -> int:
        """Its time in queues."""
        return sum(passage.taken_ns - passage.submitted_ns for passage in self.passages)

    @property
    def compute_ns(self) -> int:
        """Its time in graphs, with that of putting batches together and taking them apart."""
        return sum(passage.finished_ns - passage.taken_ns for passage in self.passages)

    @property
    def rows(self) -> int:
        """Rows that graphs were run on for it."""
        return sum(passage.rows for passage in self.passages)

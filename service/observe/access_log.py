"""One line of the log for each request."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.observe.finished_request import FinishedRequest

logger = logging.getLogger(__name__)

FAILED = 500
"""From this status on a request is a warning."""
_TOLD_ALREADY = frozenset({"method", "route", "path", "status"})
"""Fields that a line for people has no need to name."""


def log_request(request: FinishedRequest, trace_id: str | None = None) -> None:
    """Log one request: at `info`, or at `warning` where the service is at fault."""
    level = logging.WARNING if request.status is not None and request.status >= FAILED else logging.INFO
    if logger.isEnabledFor(level):
        fields = access_fields(request, trace_id)
        logger.log(level, "%s", _ForPeople(fields), extra={"fields": fields})


def access_fields(request: FinishedRequest, trace_id: str | None = None) -> dict[str, Any]:
    """What a line says, ready for JSON; None where there is nothing to say. `trace_id` is there only where requests are traced."""
    traced = {} if trace_id is None else {"trace_id": trace_id}
    return {
        "request_id": request.request_id,
        "method": request.method,
        "route": request.route or None,
        "path": request.path,
        "model": request.model or None,
        "version": request.version,
        "status": request.status,
        "duration_ms": _milliseconds(request.duration_ns),
        "queue_ms": _milliseconds(request.queue_ns),
        "compute_ms": _milliseconds(request.compute_ns),
        "rows": request.rows,
        "error": request.error or None,
        **traced,
    }


@dataclass(frozen=True, slots=True)
class _ForPeople:
    """The same as text, made only where it is read."""

    fields: Mapping[str, Any]

    def __str__(self) -> str:
        status = "-" if self.fields["status"] is None else self.fields["status"]
        others = "".join(f" {name}={value}" for name, value in self.fields.items() if value is not None and name not in _TOLD_ALREADY)
        return f"{self.fields['method']} {self.fields['path']} {status}{others}"


def _milliseconds(ns: int) -> float:
    return round(ns / 1e6, 3)

"""Around everything else where requests are logged or traced, and not there otherwise: what is told of each once it is over."""

from __future__ import annotations

import re
from time import monotonic_ns
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.request_id import request_id_header
from service.observe.access_log import log_request
from service.observe.finished_request import CANCELLED, FinishedRequest
from service.observe.telemetry import Telemetry
from service.observe.timeline import CURRENT, Timeline
from service.observe.tracing import Tracing

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
OTHER_METHOD = "_OTHER"
"""What any other is called, as the semantic conventions for HTTP have it."""
MAX_PATH = 300
"""Bytes of a path that are told, each as one character or three."""
_PRINTABLE = re.compile(rb"[!-~]*")
_UNQUOTED = bytes(range(0x21, 0x7F))
_VERSION_HEADER = b"x-model-version"


class Observation:
    """ASGI middleware that times each request, and gives it to the log where `log` is true, and to `tracing` where that is there.

    A request has its id from here on: a caller's that is accepted, or a new one.
    """

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry, log: bool, tracing: Tracing | None) -> None:
        self._app = app
        self._telemetry = telemetry
        self._log = log
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request over HTTP."""
        started_ns = monotonic_ns()
        sent = scope["headers"]
        identity = request_id_header(scope)
        scope["headers"] = [identity, *sent]
        timeline = Timeline()
        start: Message = {}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            await send(message)

        current = CURRENT.set(timeline)
        try:
            await self._app(scope, receive, noted)
        except Exception:
            start.setdefault("status", 500)  # which the server answers
            timeline.error = timeline.error or "failed"
            raise
        finally:
            CURRENT.reset(current)
            self._tell(self._finished(scope, identity[1].decode(), start, timeline, started_ns), sent)

    def _finished(self, scope: Scope, request_id: str, start: Message, timeline: Timeline, started_ns: int) -> FinishedRequest:
        status = start.get("status")
        version = next((value for name, value in start.get("headers", ()) if name == _VERSION_HEADER), None)
        return FinishedRequest(
            request_id=request_id,
            method=scope["method"] if scope["method"] in METHODS else OTHER_METHOD,
            route=getattr(scope.get("route"), "path_format", ""),
            path=_printable(scope),
            model=self._telemetry.model_in(scope.get("path_params", {})),
            version=None if version is None else int(version),
            status=status,
            error=timeline.error or (CANCELLED if status is None else ""),
            started_ns=started_ns,
            finished_ns=monotonic_ns(),
            passages=tuple(timeline.passages),
        )

    def _tell(self, request: FinishedRequest, headers: list[tuple[bytes, bytes]]) -> None:
        trace_id = None if self._tracing is None else self._tracing.record(request, headers)
        if self._log:
            log_request(request, trace_id)


def _printable(scope: Scope) -> str:
    """The path as it was sent; what is not printable ASCII is percent-encoded, so that it neither ends a line nor begins a field."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "backslashreplace")
    told = raw[:MAX_PATH]
    return told.decode() if _PRINTABLE.fullmatch(told) else quote(told, safe=_UNQUOTED)

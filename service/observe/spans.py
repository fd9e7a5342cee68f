"""Requests as spans of OpenTelemetry: one for the request, and in it one for each wait in a queue and for each time in a graph.

Names and attributes follow the semantic conventions for HTTP servers, https://opentelemetry.io/docs/specs/semconv/http/http-spans/;
those of models, for which there is none, begin with `carousel.`. Spans are made when the request is over, from the times that were
measured: nothing is done for them while it is answered.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from service import __version__
from service.observe.finished_request import FinishedRequest
from service.observe.timeline import Passage

TRACES_PATH = "/v1/traces"
FLUSH_S = 5.0
"""Seconds that a stopping service gives to spans that are not sent yet."""
FAILED = 500
"""From this status on a server's span is an error, as the conventions have it."""


class Spans:
    """Makes spans of finished requests and gives them to `processor`.

    `ratio` is the share of traces that begin here; one that began elsewhere is recorded when it is there. None leaves that to
    `OTEL_TRACES_SAMPLER`.
    """

    def __init__(self, processor: SpanProcessor, *, ratio: float | None = None) -> None:
        self._provider = TracerProvider(
            sampler=None if ratio is None else ParentBasedTraceIdRatio(ratio), resource=_resource(), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("carousel", __version__)
        self._carrying = {name.encode(): name for name in propagate.get_global_textmap().fields}

    @classmethod
    def sent_to(cls, endpoint: str | None, *, ratio: float | None) -> Spans:
        """Those sent in batches over OTLP/HTTP to a collector at `endpoint`; None leaves that to `OTEL_EXPORTER_OTLP_ENDPOINT`.

        Raises:
            ValueError: a variable of OpenTelemetry is wrong.
        """
        exporter = OTLPSpanExporter(endpoint=None if endpoint is None else endpoint.rstrip("/") + TRACES_PATH)
        return cls(BatchSpanProcessor(exporter), ratio=ratio)

    def record(self, request: FinishedRequest, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Make the spans of one request, in the trace that its headers name or else in a new one; that trace's id, in hexadecimal."""
        unix_ns = time.time_ns() - time.monotonic_ns()
        span = self._tracer.start_span(
            f"{request.method} {request.route}".rstrip(),
            context=propagate.extract(self._carrier(headers)),
            kind=SpanKind.SERVER,
            attributes=_attributes(request),
            start_time=unix_ns + request.started_ns,
        )
        if span.is_recording():
            self._record_passages(span, request.passages, unix_ns)
            if request.status is None or request.status >= FAILED:
                span.set_status(StatusCode.ERROR)
        span.end(unix_ns + request.finished_ns)
        return trace.format_trace_id(span.get_span_context().trace_id)

    def close(self, timeout_s: float = FLUSH_S) -> None:
        """Send what is left, within `timeout_s` seconds, and give up the rest. Blocks."""
        flushing = threading.Thread(target=self._provider.shutdown, name="spans-flush", daemon=True)  # it has no bound of its own
        flushing.start()
        flushing.join(timeout_s)

    def _carrier(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
        """Those headers that may name a trace."""
        found: dict[str, list[str]] = {}
        for name, value in headers:
            if name in self._carrying:
                found.setdefault(self._carrying[name], []).append(value.decode("latin-1"))
        return found

    def _record_passages(self, parent: Span, passages: Iterable[Passage], unix_ns: int) -> None:
        within = trace.set_span_in_context(parent)
        for passage in passages:
            waiting = self._tracer.start_span("queue", within, start_time=unix_ns + passage.submitted_ns)
            waiting.end(unix_ns + passage.taken_ns)
            if passage.rows:
                rows = {"carousel.rows": passage.rows}
                computing = self._tracer.start_span("compute", within, attributes=rows, start_time=unix_ns + passage.taken_ns)
                computing.end(unix_ns + passage.finished_ns)


def _resource() -> Resource:
    own: dict[str, AttributeValue] = {"service.name": "carousel", "service.version": __version__, "process.pid": os.getpid()}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})  # what the environment says wins


def _attributes(request: FinishedRequest) -> dict[str, AttributeValue]:
    said: dict[str, AttributeValue | None] = {
        "http.request.method": request.method,
        "http.route": request.route or None,
        "http.response.status_code": request.status,
        "url.path": request.path,
        "url.scheme": "http",
        "error.type": request.error or None,
        "carousel.model.name": request.model or None,
        "carousel.model.version": request.version,
        "carousel.request_id": request.request_id,
    }
    return {name: value for name, value in said.items() if value is not None}

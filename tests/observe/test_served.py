"""`carousel serve` as processes of their own: one line and one trace for each request, whichever worker answers."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.engine.test_serve import ask_classes, serving, stopped

from .collector import collector


def test_every_request_to_several_workers_has_one_line_and_one_trace(tiny_models: Path):
    with collector() as (endpoint, received):
        flags = ("--workers", "2", "--access-log", "--log-format", "json", "--tracing", "--otlp-endpoint", endpoint)
        with serving(tiny_models, *flags) as (process, address):
            ids = [ask_classes(address).headers["x-request-id"] for _ in range(5)]
            code, log = stopped(process, signal.SIGTERM)

    lines = [json.loads(line) for line in log.splitlines()]
    told = [line for line in lines if "request_id" in line]
    assert code == 0
    assert sorted(line["request_id"] for line in told) == sorted(ids)
    assert {(line["status"], line["model"], line["version"], line["rows"]) for line in told} == {(200, "tiny-classes", 2, 1)}
    assert [line for line in lines if line["logger"] == "uvicorn.access"] == []
    spans = [span for request in received for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    assert sorted(span.trace_id.hex() for span in spans if span.kind == span.SPAN_KIND_SERVER) == sorted(line["trace_id"] for line in told)

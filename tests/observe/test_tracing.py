"""Requests as traces: what they hold, in which trace they are, and that they arrive."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from service.app import create_app
from service.errors import StartupError
from service.lifecycle.shadow import Shadow
from service.observe import timeline
from service.observe.spans import Spans
from service.observe.timeline import Timeline
from service.observe.tracing import open_tracing
from service.settings import Settings
from tests.api.conftest import serving

from .collector import collector
from .conftest import CLASSIFY, QUESTION, Recorded, asked

Opened = Callable[..., FastAPI]
SERVER = "POST /v1/models/{name}/classify"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def test_a_request_is_one_span_that_holds_its_wait_and_its_run(opened: Opened):
    recorded = Recorded()
    answer = asked(opened(recorded=recorded), "POST", CLASSIFY, json=QUESTION, headers={"X-Request-ID": "mine-1"})

    assert answer.status_code == 200
    assert [span.name for span in recorded.spans()] == ["queue", "compute", SERVER]
    queue, compute, server = recorded.spans()
    assert server.kind is SpanKind.SERVER
    assert server.parent is None
    assert server.status.status_code is StatusCode.UNSET
    assert dict(server.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/models/{name}/classify",
        "http.response.status_code": 200,
        "url.path": CLASSIFY,
        "url.scheme": "http",
        "carousel.model.name": "tiny-classes",
        "carousel.model.version": 2,
        "carousel.request_id": "mine-1",
    }
    assert dict(compute.attributes) == {"carousel.rows": 1}
    assert {span.parent.span_id for span in (queue, compute)} == {server.context.span_id}
    assert server.start_time <= queue.start_time <= queue.end_time == compute.start_time <= compute.end_time <= server.end_time


def test_a_request_without_a_model_is_one_span(opened: Opened):
    recorded = Recorded()
    app = opened(recorded=recorded)
    asked(app, "GET", "/v2/health/live")
    asked(app, "GET", "/nowhere/at/all")

    live, nowhere = recorded.spans()
    assert (live.name, live.attributes["http.response.status_code"]) == ("GET /v2/health/live", 200)
    assert (nowhere.name, nowhere.attributes["error.type"], nowhere.status.status_code) == ("GET", "no-route", StatusCode.UNSET)
    assert "http.route" not in nowhere.attributes
    assert nowhere.attributes["url.path"] == "/nowhere/at/all"


def test_a_request_that_the_service_fails_is_an_error(opened: Opened):
    recorded = Recorded()
    app = opened(recorded=recorded)
    app.context.registry.close()
    asked(app, "GET", "/v2/health/ready")

    (span,) = recorded.spans()
    assert (span.attributes["http.response.status_code"], span.status.status_code) == (503, StatusCode.ERROR)


def test_a_question_that_runs_a_graph_several_times_has_a_span_for_each(opened: Opened):
    recorded = Recorded()
    asked(opened(recorded=recorded), "POST", "/v2/models/tiny-words/generate", json={"text_input": "the ", "parameters": {"max_tokens": 2}})

    names = [span.name for span in recorded.spans()]
    assert names.count("queue") == names.count("compute") >= 2
    assert len({span.context.trace_id for span in recorded.spans()}) == 1


def test_a_request_is_a_part_of_the_trace_that_it_names(opened: Opened):
    recorded = Recorded()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=opaque,other=1"}
    asked(opened(recorded=recorded), "POST", CLASSIFY, json=QUESTION, headers=headers)

    assert {format_trace_id(span.context.trace_id) for span in recorded.spans()} == {TRACE}
    server = recorded.named(SERVER)
    assert format_span_id(server.parent.span_id) == PARENT
    assert server.parent.is_remote
    assert server.context.trace_state.to_header() == "vendor=opaque,other=1"


@pytest.mark.parametrize(
    "hostile",
    [
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}",
        "00-" + "a" * 8000,
        "",
        "\xff\xfe",
    ],
)
def test_a_trace_that_is_not_well_named_is_a_new_one(opened: Opened, hostile: str):
    recorded = Recorded()
    headers = [(b"traceparent", hostile.encode("latin-1")), (b"tracestate", b"=,=;" * 500)]
    assert asked(opened(recorded=recorded), "POST", CLASSIFY, json=QUESTION, headers=headers).status_code == 200

    assert recorded.named(SERVER).parent is None
    assert format_trace_id(recorded.named(SERVER).context.trace_id) not in (TRACE, "0" * 32)


def test_a_trace_that_its_caller_does_not_record_is_not_recorded_here(opened: Opened):
    recorded = Recorded(ratio=1.0)
    asked(opened(recorded=recorded), "POST", CLASSIFY, json=QUESTION, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})

    assert recorded.spans() == []


def test_the_share_of_traces_holds_for_those_that_begin_here(opened: Opened):
    recorded = Recorded(ratio=0.0)
    app = opened(recorded=recorded)
    asked(app, "POST", CLASSIFY, json=QUESTION)
    assert recorded.spans() == []

    asked(app, "POST", CLASSIFY, json=QUESTION, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert [span.name for span in recorded.spans()] == ["queue", "compute", SERVER]


def test_opentelemetrys_own_variables_hold_where_the_settings_say_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "forecasts")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    quiet, told = Recorded(), Recorded(ratio=1.0)
    for recorded in (quiet, told):
        app = create_app(Settings(), tracing=recorded.tracing)
        asked(app, "GET", "/v2/health/live")

    assert quiet.spans() == []
    attributes = told.named("GET /v2/health/live").resource.attributes
    assert (attributes["service.name"], attributes["deployment.environment.name"]) == ("forecasts", "staging")
    assert attributes["service.version"] != ""


@pytest.mark.parametrize("by", ["setting", "variable"])
def test_what_was_recorded_is_sent_before_the_service_ends(tiny_models: Path, monkeypatch: pytest.MonkeyPatch, by: str):
    with collector() as (address, received):
        if by == "variable":
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        settings = Settings(models=tiny_models, tracing=True, otlp_endpoint=f"{address}/" if by == "setting" else None)
        with serving(create_app(settings)) as service:
            assert httpx.post(f"{service}{CLASSIFY}", json=QUESTION, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).status_code == 200

    (sent,) = [resource for request in received for resource in request.resource_spans]
    assert {one.key: one.value.string_value for one in sent.resource.attributes}["service.name"] == "carousel"
    (scope,) = sent.scope_spans
    assert scope.scope.name == "carousel"
    assert sorted(span.name for span in scope.spans) == [SERVER, "compute", "queue"]
    assert {span.trace_id.hex() for span in scope.spans} == {TRACE}


class Stuck(SpanProcessor):
    """Ends when it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def shutdown(self) -> None:
        self.free.wait(20)


def test_a_collector_that_does_not_answer_holds_nobody_up():
    stuck = Stuck()
    spans = Spans(stuck)
    spans.close(timeout_s=0.01)

    assert not stuck.free.is_set()
    stuck.free.set()


def test_tracing_is_off_unless_it_is_asked_for(opened: Opened):
    assert open_tracing(Settings()) is None
    app = opened()
    assert app.context.tracing is None
    assert asked(app, "POST", CLASSIFY, json=QUESTION).status_code == 200


def test_tracing_without_its_packages_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "service.observe.spans")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(StartupError, match=r"pip install 'carousel-serve\[tracing\]'"):
        create_app(Settings(tracing=True))


def test_a_wrong_variable_of_opentelemetry_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")  # less than a batch

    with pytest.raises(StartupError, match=r"max_queue_size.*correct the OTEL_\* variables"):
        open_tracing(Settings(tracing=True))


@pytest.mark.parametrize("wrong", ["collector:4318", "ftp://collector", "http://collector:4318/?a", "http://a b"])
def test_an_endpoint_is_an_address_over_http(wrong: str):
    with pytest.raises(ValueError, match="otlp_endpoint"):
        Settings(otlp_endpoint=wrong)


def test_what_a_shadow_does_is_no_part_of_the_request(opened: Opened):
    candidate = opened().context.registry.get("tiny-classes", 1)
    shadow = Shadow(candidate)

    async def reflected() -> Timeline:
        told = Timeline()
        current = timeline.CURRENT.set(told)
        shadow.reflect({"sequence": np.zeros((1, 2, 3), np.float32)}, {})
        timeline.CURRENT.reset(current)
        while not candidate.batcher.meter.shadow["answered"]:  # noqa: ASYNC110 - the shadow tells nobody
            await asyncio.sleep(0.001)
        return told

    assert asyncio.run(reflected()).passages == []

"""One line for each request, where that is asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from service.observe.access_log import log_request
from service.observe.finished_request import FinishedRequest
from service.observe.log_lines import JsonLines
from service.observe.timeline import Passage
from service.settings import Settings

from .conftest import ACCESS_LOG, CLASSIFY, QUESTION, Recorded, asked, told

Opened = Callable[..., FastAPI]
ANSWERED = FinishedRequest(
    request_id="mine-1",
    method="POST",
    route="/v1/models/{name}/classify",
    path="/v1/models/digits@stable/classify",
    model="digits",
    version=3,
    status=200,
    error="",
    started_ns=1_000_000,
    finished_ns=9_250_000,
    passages=(Passage(2, 1_500_000, 2_000_000, 6_000_000), Passage(1, 6_100_000, 6_100_000, 7_100_400)),
)


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)


def test_a_line_for_machines_has_every_field(caplog: pytest.LogCaptureFixture):
    log_request(ANSWERED, "0af7651916cd43dd8448eb211c80319c")

    line = json.loads(JsonLines().format(caplog.records[0]))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": ACCESS_LOG,
        "request_id": "mine-1",
        "method": "POST",
        "route": "/v1/models/{name}/classify",
        "path": "/v1/models/digits@stable/classify",
        "model": "digits",
        "version": 3,
        "status": 200,
        "duration_ms": 8.25,
        "queue_ms": 0.5,
        "compute_ms": 5.0,
        "rows": 3,
        "error": None,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }


def test_a_line_for_people_says_what_there_is_to_say(caplog: pytest.LogCaptureFixture):
    log_request(ANSWERED)

    assert caplog.messages == [
        "POST /v1/models/digits@stable/classify 200"
        " request_id=mine-1 model=digits version=3 duration_ms=8.25 queue_ms=0.5 compute_ms=5.0 rows=3"
    ]


def test_each_request_has_one_line(opened: Opened, caplog: pytest.LogCaptureFixture):
    app = opened(access_log=True)
    answer = asked(app, "POST", CLASSIFY, json={"sequences": [[[0, 1, 0]], [[1, 0, 0]]]}, headers={"X-Request-ID": "mine-1"})

    assert answer.status_code == 200
    (line,) = told(caplog)
    times = [line.pop(name) for name in ("queue_ms", "compute_ms", "duration_ms")]
    assert 0 < times[0] + times[1] <= times[2] + 0.002  # each is rounded
    assert line == {
        "request_id": "mine-1",
        "method": "POST",
        "route": "/v1/models/{name}/classify",
        "path": CLASSIFY,
        "model": "tiny-classes",
        "version": 2,
        "status": 200,
        "rows": 2,
        "error": None,
    }


def test_a_line_has_the_id_that_the_answer_has(opened: Opened, caplog: pytest.LogCaptureFixture):
    app = opened(access_log=True)
    ids = [asked(app, "GET", path).headers["x-request-id"] for path in ("/v2/health/live", "/nowhere")]

    assert [line["request_id"] for line in told(caplog)] == ids


@pytest.mark.parametrize(
    ("method", "path", "content", "expected"),
    [
        ("GET", "/v2/health/live", None, ("/v2/health/live", None, 200, None)),
        ("GET", "/v2/models/tiny-classes", None, ("/v2/models/{name}", "tiny-classes", 200, None)),
        ("GET", "/nowhere", None, (None, None, 404, "no-route")),
        ("GET", CLASSIFY, None, ("/v1/models/{name}/classify", "tiny-classes", 405, "no-route")),
        ("POST", CLASSIFY, "{", ("/v1/models/{name}/classify", "tiny-classes", 400, "malformed-body")),
        ("POST", CLASSIFY, "{}", ("/v1/models/{name}/classify", "tiny-classes", 422, "bad-question")),
        ("POST", "/v1/models/other/classify", '{"sequences": [[[0, 1, 0]]]}', ("/v1/models/{name}/classify", None, 404, "model-not-found")),
        ("GET", "/v2/models/tiny-classes/versions/x", None, ("/v2/models/{name}/versions/{version}", "tiny-classes", 400, "bad-question")),
    ],
)
def test_a_line_says_route_model_status_and_error(
    opened: Opened,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    content: str | None,
    expected: tuple[str | None, str | None, int, str | None],
):
    asked(opened(access_log=True), method, path, content=content)

    (line,) = told(caplog)
    assert (line["route"], line["model"], line["status"], line["error"]) == expected


def test_there_are_no_lines_unless_they_are_asked_for(opened: Opened, caplog: pytest.LogCaptureFixture):
    asked(opened(), "POST", CLASSIFY, json=QUESTION)

    assert Settings().access_log is False
    assert told(caplog) == []


def test_the_level_turns_lines_off_but_those_of_failures(opened: Opened, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    app = opened(access_log=True)
    asked(app, "POST", CLASSIFY, json=QUESTION)
    assert told(caplog) == []

    app.context.registry.close()
    asked(app, "GET", "/v2/health/ready")
    assert [line["status"] for line in told(caplog)] == [503]


def test_a_line_names_the_trace_where_there_is_one(opened: Opened, caplog: pytest.LogCaptureFixture):
    recorded = Recorded()
    asked(opened(recorded=recorded, access_log=True), "POST", CLASSIFY, json=QUESTION)

    (line,) = told(caplog)
    assert line["trace_id"] == f"{recorded.named('POST /v1/models/{name}/classify').context.trace_id:032x}"

"""What is told of requests that do not end as they should, or not at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from service.api.observation import Observation
from service.observe.telemetry import Telemetry
from tests.api.gated import Leaver, caller, gated

from .conftest import ACCESS_LOG, asked, told

Opened = Callable[..., FastAPI]


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)


def test_a_question_that_runs_a_graph_several_times_has_the_sum(opened: Opened, caplog: pytest.LogCaptureFixture):
    answer = asked(opened(access_log=True), "POST", "/v1/models/tiny-words/next-word", json={"text": "the cat ", "words": 3, "top_k": 1})

    assert answer.status_code == 200
    assert told(caplog)[0]["rows"] >= 3


def test_a_question_given_up_in_the_queue_has_waited_and_run_nothing(model_folder: Path, caplog: pytest.LogCaptureFixture):
    async def late() -> int:
        async with gated(model_folder, "digit-rows", access_log=True) as service, caller(service.app) as client:
            question = {"sequences": [[[60.0] * 28] * 28]}
            first = asyncio.create_task(client.post("/v1/models/digit-rows/classify", json=question))
            await service.busy()
            answer = await client.post("/v1/models/digit-rows/classify", json=question, headers={"X-Request-Timeout-Ms": "20"})
            service.backend.gate.set()
            await first
        return answer.status_code

    assert asyncio.run(late()) == 504
    given_up, answered = told(caplog)
    assert (given_up["status"], given_up["error"], given_up["rows"], given_up["compute_ms"]) == (504, "deadline-exceeded", 0, 0)
    assert given_up["queue_ms"] > 10
    assert (answered["status"], answered["rows"]) == (200, 1)


def test_a_caller_who_leaves_is_told_of(model_folder: Path, caplog: pytest.LogCaptureFixture):
    async def leave() -> None:
        async with gated(model_folder, "digit-rows", access_log=True) as service:
            leaver = Leaver("/v1/models/digit-rows/classify", json.dumps({"sequences": [[[60.0] * 28] * 28]}).encode())
            leaver.leave.set()
            asking = asyncio.create_task(leaver.ask(service.app))
            await service.busy()
            await asking

    asyncio.run(leave())
    (line,) = told(caplog)
    assert (line["status"], line["error"]) == (None, "cancelled")


def test_a_service_that_breaks_is_a_warning_with_the_answers_id(opened: Opened, caplog: pytest.LogCaptureFixture):
    app = opened(access_log=True)

    async def broken() -> None:
        raise ArithmeticError("poison")

    app.add_api_route("/broken", broken)

    async def ask() -> str:
        messages = []

        async def send(message: Any) -> None:
            messages.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "asgi": {"version": "3.0"}, "method": "GET", "path": "/broken", "query_string": b"", "headers": []}
        with pytest.raises(ArithmeticError):
            await app(scope, receive, send)
        return dict(messages[0]["headers"])[b"x-request-id"].decode()

    identity = asyncio.run(ask())

    (line,) = told(caplog)
    assert (line["status"], line["error"], line["request_id"]) == (500, "failed", identity)
    assert [record.levelname for record in caplog.records if record.name == ACCESS_LOG] == ["WARNING"]


def test_a_failure_that_nobody_answers_is_one_of_the_server(caplog: pytest.LogCaptureFixture):
    async def failing(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ArithmeticError("poison")

    async def ask() -> None:
        observation = Observation(failing, telemetry=Telemetry.create(), log=True, tracing=None)
        await observation({"type": "http", "method": "GET", "path": "/", "headers": []}, None, None)  # type: ignore[arg-type]  # unused

    with pytest.raises(ArithmeticError):
        asyncio.run(ask())
    assert [(line["status"], line["error"]) for line in told(caplog)] == [(500, "failed")]


def test_a_stream_lasts_to_its_end(opened: Opened, caplog: pytest.LogCaptureFixture):
    app = opened(access_log=True)

    async def streamed() -> StreamingResponse:
        async def parts():
            yield b"a"
            assert told(caplog) == []
            yield b"b"

        return StreamingResponse(parts())

    app.add_api_route("/stream", streamed)

    assert asked(app, "GET", "/stream").text == "ab"
    assert [line["route"] for line in told(caplog)] == ["/stream"]

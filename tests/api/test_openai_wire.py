"""OpenAI's completions as they stand on the wire: keyboards, streams, refusals, callers who leave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import Settings

from .gated import Leaver, gated

COMPLETIONS = "/openai/v1/completions"


def test_a_keyboard_that_names_no_model_gets_the_likeliest_words(client: httpx.Client):
    """The body that ibus-typing-booster sends."""
    answer = client.post(COMPLETIONS, json={"prompt": "The cat sat on the", "logprobs": 9, "max_tokens": 1}).json()

    [choice] = answer["choices"]
    assert answer["model"] == "next-word-en"
    assert len(choice["logprobs"]["tokens"]) == 1
    assert next(iter(choice["logprobs"]["top_logprobs"][0])) == "."
    assert set(choice["logprobs"]["top_logprobs"][0]) == {"\n", " the", ".", " on", " sat", " cat", " dog", " log", " mat"}
    assert choice["finish_reason"] in ("length", "stop")


def test_every_field_may_be_null(writers: httpx.Client):
    fields = writers.get("/openapi.json").json()["components"]["schemas"]["OpenAiCompletionBody"]["properties"]
    answer = writers.post(COMPLETIONS, json={**dict.fromkeys(fields), "model": "writer"})

    assert answer.status_code == 200
    assert answer.json()["usage"]["prompt_tokens"] == 0


def test_an_answer_has_the_fields_of_openai_and_the_headers_of_the_service(writers: httpx.Client):
    answer = writers.post(COMPLETIONS, json={"model": "writer@old", "prompt": "the", "user": "someone", "suffix": ""})

    assert answer.headers["x-model-version"] == "1"
    assert list(answer.json()) == ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"]
    assert list(answer.json()["choices"][0]) == ["index", "text", "logprobs", "finish_reason"]
    assert "someone" not in answer.text


def test_a_stream_is_events_of_data_that_end_with_done(writers: httpx.Client):
    asked = {"model": "writer", "prompt": "the", "max_tokens": 3, "stream": True, "logit_bias": {"0": -100}}
    answer = writers.post(COMPLETIONS, json=asked)
    counted = writers.post(COMPLETIONS, json={**asked, "stream_options": {"include_usage": True}})
    *events, done, end = answer.text.split("\n\n")

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (done, end) == ("data: [DONE]", "")
    assert len(events) == 3
    assert all("usage" not in json.loads(event.removeprefix("data: ")) for event in events)
    assert [json.loads(event.removeprefix("data: "))["choices"][0]["finish_reason"] for event in events] == [None, None, "length"]
    last = json.loads(counted.text.split("\n\n")[-3].removeprefix("data: "))
    assert (last["choices"], last["usage"]) == ([], {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4})


@pytest.mark.parametrize(
    ("content", "status", "fault"),
    [
        (b"{", 400, {"type": "invalid_request_error", "param": None, "code": "malformed_body"}),
        (b"[]", 400, {"type": "invalid_request_error", "param": None, "code": "invalid_value"}),
        (b'{"model": "writer", "n": 0}', 400, {"type": "invalid_request_error", "param": "n", "code": "invalid_value"}),
        (b'{"model": "classes"}', 404, {"type": "invalid_request_error", "param": "model", "code": "model_not_found"}),
    ],
)
def test_a_refusal_is_an_error_of_the_protocol(writers: httpx.Client, content: bytes, status: int, fault: dict[str, Any]):
    answer = writers.post(COMPLETIONS, content=content)

    assert answer.status_code == status
    assert answer.headers["x-should-retry"] == "false"
    assert {name: value for name, value in answer.json()["error"].items() if name != "message"} == fault


@pytest.mark.parametrize(("method", "path", "status"), [("GET", COMPLETIONS, 405), ("GET", "/openai/v1/engines", 404)])
def test_there_is_no_other_route(writers: httpx.Client, method: str, path: str, status: int):
    answer = writers.request(method, path)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "no_route"


def test_a_service_without_such_models_says_so(tmp_path: Path):
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(Settings(models=tmp_path)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as own:
            return await own.post(COMPLETIONS, json={"prompt": "the"})

    answer = asyncio.run(ask())

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "no model ''; no model is served here: publish one and start again"


def test_questions_are_counted_as_the_models(writers: httpx.Client):
    writers.post(COMPLETIONS, json={"model": "writer:1", "prompt": "the"})

    assert 'carousel_requests_total{model="writer",route="/openai/v1/completions",status="200"' in writers.get("/metrics").text


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_leaves_stops_the_model(model_folder: Path, stream: bool):
    asked = {"prompt": "the cat", "model": "next-word-en", "max_tokens": 1024, "n": 2, "stream": stream, "logit_bias": {"0": -100}}

    async def leave() -> list[int]:
        async with gated(model_folder, "next-word-en", max_batch_rows=8) as service:
            leaver = Leaver(COMPLETIONS, json.dumps(asked).encode(), parts=4)
            asking = asyncio.create_task(leaver.ask(service.app))
            await service.busy()
            if not stream:
                leaver.leave.set()
                await asking
            service.backend.gate.set()
            await asking
            return service.backend.runs

    runs = asyncio.run(leave())

    assert len(runs) <= 8
    assert set(runs) <= {1, 2}

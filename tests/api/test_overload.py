"""More questions than can be answered: refused at once, dropped when late, cancelled when their callers leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.contract.golden import Tensors

from .gated import Leaver, caller, gated

CLASSIFY = "/v1/models/digit-rows/classify"
INFER = "/v2/models/digit-rows/infer"
QUESTION = {"sequences": [[[60.0] * 28] * 28]}
TENSOR = {"inputs": [{"name": "sequence", "datatype": "FP32", "shape": [1, 1, 28], "data": [60.0] * 28}]}


def questions(route: str) -> dict[str, Any]:
    return QUESTION if route == CLASSIFY else TENSOR


@pytest.mark.parametrize(
    ("route", "kind", "words"), [(CLASSIFY, "application/problem+json", "detail"), (INFER, "application/json", "error")]
)
def test_a_full_queue_answers_429_and_when_to_come_back(model_folder: Path, route: str, kind: str, words: str):
    async def third() -> tuple[httpx.Response, list[int]]:
        async with gated(model_folder, "digit-rows", max_queue_rows=1) as service, caller(service.app) as client:
            first = asyncio.create_task(client.post(route, json=questions(route)))
            await service.busy()
            second = asyncio.create_task(client.post(route, json=questions(route)))
            await service.queued(1)
            refused = await client.post(route, json=questions(route))
            service.backend.gate.set()
            return refused, [(await one).status_code for one in (first, second)]

    refused, others = asyncio.run(third())

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == kind
    assert refused.json()[words] == "1 rows wait for 'digit-rows' and 1 may: send this again after 1 s"
    assert others == [200, 200]


@pytest.mark.parametrize("route", [CLASSIFY, INFER])
def test_a_question_is_given_up_when_its_callers_time_is_up(model_folder: Path, route: str):
    async def late() -> tuple[httpx.Response, list[int]]:
        async with gated(model_folder, "digit-rows") as service, caller(service.app) as client:
            first = asyncio.create_task(client.post(route, json=questions(route)))
            await service.busy()
            answer = await client.post(route, json=questions(route), headers={"X-Request-Timeout-Ms": "20"})
            service.backend.gate.set()
            await first
        return answer, service.backend.runs

    answer, runs = asyncio.run(late())

    assert answer.status_code == 504
    assert "'digit-rows' did not answer within 0.0" in answer.text
    assert runs == [1]  # the first alone


def test_a_parameter_in_microseconds_does_the_same(model_folder: Path):
    async def late() -> httpx.Response:
        async with gated(model_folder, "digit-rows") as service, caller(service.app) as client:
            return await client.post(INFER, json={**TENSOR, "parameters": {"timeout": 15_000}})

    answer = asyncio.run(late())

    assert answer.status_code == 504
    assert "within 0.015 s" in answer.json()["error"]


def test_the_most_urgent_question_is_answered_first(model_folder: Path):
    async def order() -> list[str]:
        answered: list[str] = []
        async with gated(model_folder, "digit-rows") as service, caller(service.app) as client:

            async def ask(name: str, priority: int) -> None:
                body = {**TENSOR, "id": name, "parameters": {"priority": priority}}
                answered.append((await client.post(INFER, json=body)).json()["id"])

            first = asyncio.create_task(ask("running", 0))
            await service.busy()
            tasks = []
            for position, (name, priority) in enumerate([("last", 3), ("middle", 0), ("first", 1)]):
                tasks.append(asyncio.create_task(ask(name, priority)))
                await service.queued(position + 1)
            service.backend.gate.set()
            await asyncio.gather(first, *tasks)
        return answered

    assert asyncio.run(order()) == ["running", "first", "middle", "last"]


@pytest.mark.parametrize("route", [CLASSIFY, INFER])
def test_a_caller_who_hangs_up_takes_the_question_out_of_the_queue(model_folder: Path, route: str):
    async def leave() -> tuple[list[Any], list[int]]:
        async with gated(model_folder, "digit-rows") as service, caller(service.app) as client:
            first = asyncio.create_task(client.post(route, json=questions(route)))
            await service.busy()
            leaver = Leaver(route, json.dumps(questions(route)).encode())
            second = asyncio.create_task(leaver.ask(service.app))
            await service.queued(1)
            leaver.leave.set()
            await second
            await service.queued(0)
            service.backend.gate.set()
            assert (await first).status_code == 200
        return leaver.sent, service.backend.runs

    sent, runs = asyncio.run(leave())

    assert sent == []
    assert runs == [1]


def test_a_reader_who_leaves_a_stream_stops_the_model(model_folder: Path):
    body = json.dumps({"text_input": "the cat sat ", "parameters": {"max_tokens": 256}}).encode()

    async def leave() -> list[int]:
        async with gated(model_folder, "next-word-en") as service:
            service.backend.gate.set()
            leaver = Leaver("/v2/models/next-word-en/generate_stream", body, parts=3)
            await leaver.ask(service.app)
        return service.backend.runs

    assert 3 <= len(asyncio.run(leave())) <= 5


def test_a_stream_that_cannot_begin_is_answered_with_its_own_status(model_folder: Path):
    async def closed() -> httpx.Response:
        async with gated(model_folder, "next-word-en") as service, caller(service.app) as client:
            service.backend.gate.set()
            service.model.batcher.close(5)
            return await client.post("/v2/models/next-word-en/generate_stream", json={"text_input": "the cat sat "})

    answer = asyncio.run(closed())

    assert answer.status_code == 503
    assert list(answer.json()) == ["error"]


def failing(run: int, outputs: Tensors) -> Tensors:
    if run == 2:
        raise ArithmeticError("secret")
    return outputs


def spoiling(run: int, outputs: Tensors) -> Tensors:
    return {name: np.full_like(array, np.nan if run == 2 else 1) if name == "log_probs" else array for name, array in outputs.items()}


@pytest.mark.parametrize("alter", [failing, spoiling])
def test_a_stream_that_fails_on_its_way_says_so_in_its_last_event(model_folder: Path, alter: Callable[[int, Tensors], Tensors]):
    async def failed() -> httpx.Response:
        async with gated(model_folder, "next-word-en") as service, caller(service.app) as client:
            service.backend.gate.set()
            service.backend.alter = alter
            return await client.post("/v2/models/next-word-en/generate_stream", json={"text_input": "the cat sat "})

    answer = asyncio.run(failed())

    first, last = (json.loads(event.removeprefix("data: ")) for event in answer.text.strip().split("\n\n"))
    assert answer.status_code == 200
    assert first["model_name"] == "next-word-en"
    assert last == {"error": "'next-word-en' failed on this request; the service's log says why"}


@pytest.mark.parametrize("value", ["0", "-5", "1.5", "soon", "9" * 13])
@pytest.mark.parametrize(("route", "status"), [(CLASSIFY, 422), (INFER, 400)])
def test_a_timeout_that_is_no_number_is_refused(client: httpx.Client, route: str, status: int, value: str):
    answer = client.post(route, json=questions(route), headers={"X-Request-Timeout-Ms": value})

    assert answer.status_code == status
    assert f"X-Request-Timeout-Ms: '{value}' is no whole number of milliseconds from 1" in answer.text

"""Callers who hang up, or whose time is up, while a text is written for them: on a real socket, with every run of the graph counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from service.api.bounded_http import BoundedHttp
from service.contract.golden import Tensors

from .gated import GatedService, caller, gated

GENERATE = "/v2/models/next-word-en/generate"
NEXT_WORD = "/v1/models/next-word-en/next-word"
COMPLETIONS = "/openai/v1/completions"
RUNS = 3
"""Before the graph is held up in the next one."""
WRITING = [
    (f"{GENERATE}_stream", {"text_input": "the cat sat ", "parameters": {"max_tokens": 200}}),
    (GENERATE, {"text_input": "the cat sat ", "parameters": {"max_tokens": 200, "n": 4, "temperature": 1}}),
    (GENERATE, {"text_input": "the cat sat ", "parameters": {"max_tokens": 200, "beams": 4}}),
    (NEXT_WORD, {"text": "the cat sat ", "words": 200, "stream": True}),
    (NEXT_WORD, {"text": "the cat sat ", "words": 200, "stream": True, "top_k": 4, "temperature": 1}),
    (NEXT_WORD, {"text": "the cat sat ", "words": 200, "top_k": 4}),
    (COMPLETIONS, {"model": "next-word-en", "prompt": "the cat sat ", "max_tokens": 200, "logit_bias": {"0": -100}, "stream": True}),
    (COMPLETIONS, {"model": "next-word-en", "prompt": "the cat sat ", "max_tokens": 200, "logit_bias": {"0": -100}, "best_of": 4}),
]


def hold_up(service: GatedService) -> None:
    """Let the graph run so many times, and then wait for the test."""

    def alter(run: int, outputs: Tensors) -> Tensors:
        if run == RUNS:
            service.backend.gate.clear()
            service.backend.started.clear()
        return outputs

    service.backend.alter = alter
    service.backend.gate.set()


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[int]:
    """The port of a uvicorn that serves `app` in this loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="off", http=BoundedHttp))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody that it has started
        await asyncio.sleep(0.001)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.mark.parametrize(("route", "body"), WRITING)
def test_a_caller_who_hangs_up_frees_the_slot_within_a_step(model_folder: Path, route: str, body: dict[str, Any]):
    data = json.dumps(body).encode()

    async def leave() -> list[int]:
        async with gated(model_folder, "next-word-en", max_batch_rows=8) as service, listening(service.app) as port:
            hold_up(service)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s" % (route.encode(), len(data), data))
            while len(service.backend.runs) < RUNS:  # noqa: ASYNC110 - a list tells nobody that it grows
                await asyncio.sleep(0.001)
            await service.busy()
            writer.close()
            while service.model.batcher.in_flight:  # noqa: ASYNC110 - nor does the batcher
                await asyncio.sleep(0.001)
            service.backend.gate.set()
        return service.backend.runs

    assert len(asyncio.run(leave())) == RUNS + 1  # the one that was under way


@pytest.mark.parametrize(("route", "body"), WRITING)
def test_all_of_a_text_has_the_time_of_one_request(model_folder: Path, route: str, body: dict[str, Any]):
    async def late() -> tuple[httpx.Response, list[int]]:
        async with gated(model_folder, "next-word-en", max_batch_rows=8) as service, caller(service.app) as client:
            hold_up(service)
            answer = await client.post(route, json=body, headers={"X-Request-Timeout-Ms": "300"})
            service.backend.gate.set()
        return answer, service.backend.runs

    answer, runs = asyncio.run(late())

    assert answer.status_code == (200 if answer.headers["content-type"].startswith("text/event-stream") else 504)
    assert "'next-word-en' did not answer within 0." in answer.text.strip().split("\n\n")[-1]
    assert len(runs) <= RUNS + 1

"""Text generation as the Open Inference Protocol has it: a text in, its continuation out, whole or word by word."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from service.api import examples
from service.api.body import Body
from service.api.deps import Version, model_of, timeout_s, wrong_task
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, oip_documented
from service.contract.manifest import NextWordTask
from service.contract.tokenizer import WordTokenizer
from service.errors import InferenceFailed, ServiceError
from service.served_model import ServedModel
from service.tasks.next_word import MAX_CHARACTERS, first_word, following_word

logger = logging.getLogger(__name__)

MAX_WORDS = 256
EVENT_STREAM = "text/event-stream"


class GenerateParameters(Body):
    """How to continue a text."""

    max_tokens: int = Field(default=16, ge=1, le=MAX_WORDS, description="Words and marks to write.")
    temperature: float | None = Field(
        default=None, ge=0.01, le=5, description="Draw words instead of taking the likeliest: 1 as the model says, lower is safer."
    )
    seed: int | None = Field(default=None, ge=0, le=2**53 - 1, description="Makes a draw repeatable.")


class GenerateBody(Body):
    """A text to continue."""

    id: str | None = Field(default=None, max_length=200, description="Comes back with the answer.")
    text_input: str = Field(max_length=MAX_CHARACTERS, description="The text so far; where it ends within a word, that is completed first.")
    parameters: GenerateParameters = Field(default=GenerateParameters(), description="How to continue it.")


class Generated(BaseModel):
    """A continuation, or the next piece of one."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"examples": [examples.GENERATE_ANSWER]})

    id: str | None = Field(default=None, description="As it was sent; left out where none was.")
    model_name: str = Field(description="Model that answered.")
    model_version: str = Field(description="Its version.")
    text_output: str = Field(description="What follows the text, its spaces included.")


router = APIRouter(route_class=HotRoute, tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A next-word model's name.", openapi_examples=examples.names(examples.GENERATE))]
_Question = Annotated[GenerateBody, BodyParameter(openapi_examples=examples.bodies(examples.GENERATE))]
_errors = oip_documented(TASK_ERRORS)
_stream: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events, one for each word, `data:` and an object as `generate` answers.",
        "content": {EVENT_STREAM: {"schema": {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}}},
    },
    **_errors,
}


@router.post("/v2/models/{name}/generate", response_model=Generated, summary="Continue a text", responses=_errors)
async def generate(request: Request, body: _Question, name: _Name) -> dict[str, Any]:
    """Continue a text by as many words as `max_tokens` says."""
    return await _whole(request, body, model_of(request, name))


@router.post(
    "/v2/models/{name}/versions/{version}/generate", response_model=Generated, summary="Continue a text with one version", responses=_errors
)
async def generate_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any]:
    """The same with the version that the path says."""
    return await _whole(request, body, model_of(request, name, version))


@router.post(
    "/v2/models/{name}/generate_stream", response_class=StreamingResponse, summary="Continue a text, word by word", responses=_stream
)
async def generate_stream(request: Request, body: _Question, name: _Name) -> StreamingResponse:
    """The same as server-sent events, a word in each. A caller who hangs up stops the model at the next word."""
    return await _streamed(request, body, model_of(request, name))


@router.post(
    "/v2/models/{name}/versions/{version}/generate_stream",
    response_class=StreamingResponse,
    summary="Continue a text with one version, word by word",
    responses=_stream,
)
async def generate_stream_with_version(request: Request, body: _Question, name: _Name, version: Version) -> StreamingResponse:
    """The same with the version that the path says."""
    return await _streamed(request, body, model_of(request, name, version))


async def _whole(request: Request, body: GenerateBody, model: ServedModel) -> dict[str, Any]:
    pieces = [piece async for piece in _pieces(request, body, model)]
    return _answer(body, model, "".join(pieces))


async def _streamed(request: Request, body: GenerateBody, model: ServedModel) -> StreamingResponse:
    pieces = _pieces(request, body, model)
    first = await anext(pieces)  # here, so that what the model refuses is answered with its own status
    return StreamingResponse(_events(body, model, first, pieces), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})


async def _pieces(request: Request, body: GenerateBody, model: ServedModel) -> AsyncIterator[str]:
    """What each word adds to the text; all of them have the time of one request."""
    tokenizer = _tokenizer(model)
    deadline = time.monotonic() + timeout_s(request)
    temperature = body.parameters.temperature
    generator = np.random.default_rng(body.parameters.seed)
    words = first_word(model.manifest, tokenizer, body.text_input, temperature, generator)
    for remaining in range(body.parameters.max_tokens, 0, -1):
        written = await model.ask(words, max(deadline - time.monotonic(), 0.0))
        yield written.addition
        if remaining > 1:
            words = following_word(model.manifest, tokenizer, written, temperature, generator)


async def _events(body: GenerateBody, model: ServedModel, first: str, rest: AsyncIterator[str]) -> AsyncIterator[bytes]:
    yield _event(_answer(body, model, first))
    try:
        async for piece in rest:
            yield _event(_answer(body, model, piece))
    except ServiceError as error:  # the status is sent: what went wrong is the last event
        yield _event({"error": error.detail})
    except Exception:
        logger.exception("%s failed while it generated", model.manifest.name)
        yield _event({"error": InferenceFailed(model.manifest.name).detail})


def _answer(body: GenerateBody, model: ServedModel, text: str) -> dict[str, Any]:
    named = {} if body.id is None else {"id": body.id}
    return {**named, "model_name": model.manifest.name, "model_version": str(model.manifest.version), "text_output": text}


def _event(answer: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(answer) + b"\n\n"


def _tokenizer(model: ServedModel) -> WordTokenizer:
    if not isinstance(model.manifest.task, NextWordTask) or model.tokenizer is None:
        raise wrong_task(model.manifest)
    return model.tokenizer

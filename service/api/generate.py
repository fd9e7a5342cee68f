"""Text generation as the Open Inference Protocol has it: a text in, its continuation out, whole or token by token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from service.api import examples, writing_examples
from service.api.body import Body
from service.api.deps import Version, model_of, timeout_s
from service.api.event_stream import EVENT_STREAM, event, streamed
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, oip_documented
from service.api.writing import (
    Beams,
    End,
    LengthPenalty,
    Order,
    PointerFlag,
    RepetitionPenalty,
    SampleTopK,
    Seed,
    Stop,
    Temperature,
    TopP,
    Writing,
    language_of,
)
from service.errors import BadQuestion
from service.served_model import ServedModel
from service.tasks.dialogue import QuestionError
from service.tasks.generation import Sampling
from service.tasks.next_word import MAX_CHARACTERS

MAX_WORDS = 256
MAX_CANDIDATES = 16


class GenerateParameters(Body):
    """How to continue a text."""

    max_tokens: int = Field(default=16, ge=1, le=MAX_WORDS, description="Tokens to write: words and marks, or parts of them.")
    temperature: Temperature = None
    top_k: SampleTopK = None
    top_p: TopP = None
    repetition_penalty: RepetitionPenalty = 1.0
    seed: Seed = None
    stop: Stop = Field(default_factory=list)
    end: End = False
    n: int = Field(default=1, ge=1, le=MAX_CANDIDATES, description="Continuations wanted, drawn or of a beam search; a stream has one.")
    beams: Beams = None
    length_penalty: LengthPenalty = None
    pointer: PointerFlag = True

    def order(self, *, stream: bool) -> Order:
        """What is to be written.

        Raises:
            BadQuestion: parameters that make no sense together.
        """
        sampling = Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            seed=self.seed,
            stop=tuple(self.stop),
            max_tokens=self.max_tokens,
            pointer=self.pointer,
            end=self.end,
            alternatives=False,
        )
        order = Order(sampling, self.n, self.beams, self.length_penalty)
        try:
            order.check(at=("parameters",), candidates="n", top_k="top_k")
            if stream and self.beams is not None:
                raise QuestionError("beams are known at their end alone: leave this out, or ask generate", where=("parameters", "beams"))
            if stream and self.n > 1:
                raise QuestionError("a stream has one continuation: leave this out, or ask generate", where=("parameters", "n"))
        except QuestionError as error:
            raise BadQuestion.of(error) from error
        return order


class GenerateBody(Body):
    """A text to continue."""

    id: str | None = Field(default=None, max_length=200, description="Comes back with the answer.")
    text_input: str = Field(max_length=MAX_CHARACTERS, description="The text so far; where it ends within a word, that is completed first.")
    parameters: GenerateParameters = Field(default=GenerateParameters.model_construct(stop=[]), description="How to continue it.")


class Generated(BaseModel, defer_build=True):
    """A continuation, or the next piece of one."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"examples": [writing_examples.GENERATE_ANSWER]})

    id: str | None = Field(default=None, description="As it was sent; left out where none was.")
    model_name: str = Field(description="Model that answered.")
    model_version: str = Field(description="Its version.")
    text_output: str = Field(description="What follows the text, its spaces included.")
    text_outputs: list[str] | None = Field(default=None, description="Where `n` is over 1: at most so many, this one first; else left out.")


router = APIRouter(route_class=HotRoute, tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A next-word model's name.", openapi_examples=examples.names(writing_examples.GENERATE))]
_Question = Annotated[GenerateBody, BodyParameter(openapi_examples=examples.bodies(writing_examples.GENERATE))]
_StreamQuestion = Annotated[GenerateBody, BodyParameter(openapi_examples=examples.bodies(writing_examples.GENERATE_STREAM))]
_errors = oip_documented(TASK_ERRORS)
_stream: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events, one for each token, `data:` and an object as `generate` answers.",
        "content": {EVENT_STREAM: {"schema": {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}}},
    },
    **_errors,
}


@router.post("/v2/models/{name}/generate", response_model=Generated, summary="Continue a text", responses=_errors)
async def generate(request: Request, body: _Question, name: _Name) -> dict[str, Any]:
    """Continue a text by as many tokens as `max_tokens` says, or up to a stop string."""
    return await _whole(request, body, model_of(request, name))


@router.post(
    "/v2/models/{name}/versions/{version}/generate", response_model=Generated, summary="Continue a text with one version", responses=_errors
)
async def generate_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any]:
    """The same with the version that the path says."""
    return await _whole(request, body, model_of(request, name, version))


@router.post(
    "/v2/models/{name}/generate_stream", response_class=StreamingResponse, summary="Continue a text, token by token", responses=_stream
)
async def generate_stream(request: Request, body: _StreamQuestion, name: _Name) -> StreamingResponse:
    """The same as server-sent events, a token in each. A caller who hangs up stops the model at the next token."""
    return await _streamed(request, body, model_of(request, name))


@router.post(
    "/v2/models/{name}/versions/{version}/generate_stream",
    response_class=StreamingResponse,
    summary="Continue a text with one version, token by token",
    responses=_stream,
)
async def generate_stream_with_version(request: Request, body: _StreamQuestion, name: _Name, version: Version) -> StreamingResponse:
    """The same with the version that the path says."""
    return await _streamed(request, body, model_of(request, name, version))


async def _whole(request: Request, body: GenerateBody, model: ServedModel) -> dict[str, Any]:
    order = body.parameters.order(stream=False)
    found = await model.ask(order.written(language_of(model), body.text_input), timeout_s(request))
    texts = [one.text for one in found]
    return _answer(body, model, texts[0]) | ({"text_outputs": texts} if order.candidates > 1 else {})


async def _streamed(request: Request, body: GenerateBody, model: ServedModel) -> StreamingResponse:
    order = body.parameters.order(stream=True)
    writing = await Writing.begin(model, body.text_input, order, timeout_s=timeout_s(request))
    return await streamed(_events(body, writing), failed=lambda error: event({"error": error.detail}), name=model.manifest.name)


async def _events(body: GenerateBody, writing: Writing) -> AsyncIterator[bytes]:
    while not writing.finished:
        [piece] = await writing.step()
        if piece is not None and (piece.text or writing.finished):  # nothing is sent of what might become a stop string
            yield event(_answer(body, writing.model, piece.text))


def _answer(body: GenerateBody, model: ServedModel, text: str) -> dict[str, Any]:
    named = {} if body.id is None else {"id": body.id}
    return {**named, "model_name": model.manifest.name, "model_version": str(model.manifest.version), "text_output": text}

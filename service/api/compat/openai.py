"""What the public client `openai` asks of completions, answered by the next-word models that are served: `base_url=http://HOST:PORT/openai/v1`."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from fastapi.openapi.models import Example
from starlette.requests import Request
from starlette.responses import Response

from service.api import examples
from service.api.compat.openai_choices import Choice, Part, begin, choice_json, usage
from service.api.compat.openai_errors import NO_RETRY, PREFIX, openai_documented, openai_fault
from service.api.compat.openai_examples import COMPLETIONS
from service.api.compat.openai_order import Order
from service.api.compat.openai_wire import OpenAiCompletion, OpenAiCompletionBody, OpenAiModel, OpenAiModels
from service.api.deps import TIMEOUT_HEADER, context_of, model_of, timeout_s
from service.api.event_stream import EVENT_STREAM, event, streamed
from service.api.hot_route import HotRoute
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, TASK_ERRORS
from service.api.writing import Writing, language_of
from service.errors import BadQuestion, ModelNotFound, ServiceError, WrongTask
from service.served_model import ServedModel
from service.tasks.dialogue import QuestionError

DONE = b"data: [DONE]\n\n"
VERSION_SIGN = ":"
"""Between a model's name and its version."""


@dataclass(frozen=True, slots=True)
class _Completion:
    """A completion on its way; `head` is what its answer and each event of its stream begin with."""

    order: Order
    writing: Writing
    choices: list[Choice]
    head: dict[str, Any]

    @classmethod
    async def begin(cls, model: ServedModel, body: OpenAiCompletionBody, *, seconds: float) -> _Completion:
        """Read the prompts; raises what `ServedModel.ask` raises."""
        deadline = time.monotonic() + seconds
        language = language_of(model)
        try:
            order = Order.of(language, body)
        except QuestionError as error:
            raise BadQuestion.of(error) from error
        choices = await model.ask(begin(language, order), max(deadline - time.monotonic(), 0.0))
        return cls(order, Writing(model, language, [choice.draft for choice in choices], deadline), choices, _head(model))

    async def parts(self) -> AsyncIterator[tuple[int, Part]]:
        """All parts of all choices, as they are written, with the number of the choice."""
        for index, choice in enumerate(self.choices):
            for part in choice.parts:
                yield index, part
        while self.order.sampling.max_tokens and not self.writing.finished:
            before = [draft.passage for draft in self.writing.drafts]
            for index, piece in enumerate(await self.writing.step()):
                if piece is not None:
                    yield index, self.choices[index].grow(self.writing.language.tokenizer, self.order, before[index], piece)

    def answer(self) -> dict[str, Any]:
        """All of it, of each prompt's candidates those that are wanted; the likeliest per token first, where some are left out."""
        answered: list[Choice] = []
        for start in range(0, len(self.choices), self.order.candidates):
            candidates = self.choices[start : start + self.order.candidates]
            if self.order.candidates > self.order.wanted:
                candidates = sorted(candidates, key=lambda choice: -choice.mean_log_prob)[: self.order.wanted]
            answered += candidates
        choices = [choice_json(index, choice.parts, self.order) for index, choice in enumerate(answered)]
        return {**self.head, "choices": choices, "usage": usage(self.order, self.choices)}

    async def events(self, *, counted: bool) -> AsyncIterator[bytes]:
        """The same part by part; where tokens are `counted`, in an event at the end."""
        uncounted = {"usage": None} if counted else {}
        async for index, part in self.parts():
            if part.text or part.told or part.finish_reason:  # nothing is sent of what might become a stop string
                yield event({**self.head, "choices": [choice_json(index, [part], self.order)], **uncounted})
        if counted:
            yield event({**self.head, "choices": [], "usage": usage(self.order, self.choices)})
        yield DONE


router = APIRouter(prefix=f"{PREFIX}v1", route_class=HotRoute, tags=["Compatibility"])
cold_router = APIRouter(prefix=f"{PREFIX}v1", route_class=LateRoute, tags=["Compatibility"])

_Question = Annotated[OpenAiCompletionBody, BodyParameter(openapi_examples=examples.bodies(COMPLETIONS))]
_Name = Annotated[
    str,
    Path(
        max_length=200,
        description="A next-word model: `name`, `name@label` or `name:version`.",
        openapi_examples={"first": Example(value="next-word-en")},
    ),
]
_answers: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Choices for each prompt; with `stream`, server-sent events of the same shape and `data: [DONE]`.",
        "content": {EVENT_STREAM: {"schema": {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}}},
    },
    **openai_documented(TASK_ERRORS),
}


@router.post("/completions", response_model=OpenAiCompletion, summary="OpenAI: complete texts", responses=_answers)
async def completions(request: Request, body: _Question) -> dict[str, Any] | Response:
    """Write on behind texts, say how likely they are, or both: `client.completions.create`.

    A caller who hangs up stops the model at the next token. Errors say in `x-should-retry` where the client is not to ask again.
    """
    try:
        return await _answer(request, body)
    except ServiceError as error:
        if TIMEOUT_HEADER in request.headers:
            error.headers.update(NO_RETRY)  # another answer would come when it is of no more use
        raise


@cold_router.get("/models", summary="OpenAI: models that complete texts")
async def list_models(request: Request) -> OpenAiModels:
    """The newest version of every next-word model: `client.models.list`."""
    return OpenAiModels(object="list", data=[_card(model, model.manifest.name) for model in _writers(request)])


@cold_router.get("/models/{name}", summary="OpenAI: one model", responses=openai_documented((*MODEL_ERRORS, WrongTask, BadQuestion)))
async def show_model(request: Request, name: _Name) -> OpenAiModel:
    """A next-word model: `client.models.retrieve`."""
    return _card(_asked(request, name), name)


async def _answer(request: Request, body: OpenAiCompletionBody) -> dict[str, Any] | Response:
    model = _asked(request, body.model)
    completion = await _Completion.begin(model, body, seconds=timeout_s(request))
    if body.stream:
        events = completion.events(counted=bool(body.stream_options and body.stream_options.include_usage))
        return await streamed(events, failed=lambda error: event(openai_fault(error)), name=model.manifest.name)
    async for _ in completion.parts():
        pass
    return completion.answer()


def _asked(request: Request, name: str | None) -> ServedModel:
    """The next-word model with this name, `name@label` or `name:version`, or the first one; it is counted as the model of the request.

    Raises:
        ModelNotFound, VersionNotFound, LabelNotFound, WrongTask: there is none.
    """
    if name is None:
        writers = _writers(request)
        if not writers:
            raise ModelNotFound("", available=[])
        name = writers[0].manifest.name
    reference, sign, version = name.partition(VERSION_SIGN)
    try:
        model = model_of(request, reference, version if sign else None)
    except ModelNotFound:
        raise ModelNotFound(name, available=[model.manifest.name for model in _writers(request)]) from None
    except BadQuestion as error:
        raise BadQuestion(f"model: {error.detail}", errors=[{"where": ["model"], "message": error.detail}]) from error
    language_of(model)
    request.scope["path_params"] = {**request.scope["path_params"], "name": model.manifest.name}
    return model


def _writers(request: Request) -> list[ServedModel]:
    """Next-word models, by name."""
    newest = context_of(request).registry.newest()
    return sorted((model for model in newest if model.language is not None), key=lambda model: model.manifest.name)


def _card(model: ServedModel, name: str) -> OpenAiModel:
    created = int(datetime.fromisoformat(model.manifest.created).timestamp())
    return OpenAiModel(id=name, object="model", created=created, owned_by="carousel")


def _head(model: ServedModel) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": manifest.name,
        "system_fingerprint": f"{manifest.name}{VERSION_SIGN}{manifest.version} {model.precision}",
    }

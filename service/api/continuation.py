"""Several next words at once, whole or as they are written: what a caller gets, as an answer or as events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from math import exp
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from service.api import writing_examples
from service.api.event_stream import EVENT_STREAM, event, streamed
from service.api.writing import Order, Writing
from service.errors import ServiceError
from service.tasks.dialogue import Dialogue
from service.tasks.generation import Written
from service.tasks.language import Language


class TextContinuation(BaseModel, defer_build=True):
    """Words that may follow."""

    text: str = Field(description="The words as a text; where the text ends within a word, that one whole.")
    probability: float = Field(description="Probability of all of them together.")
    finish_reason: Literal["stop", "length"] = Field(
        description="`stop`: a stop string would follow, or the model ends the text; `length`: as many words as were asked for."
    )


class Continuations(BaseModel, defer_build=True):
    """The next words, likeliest first; those of beams of different lengths as `length_penalty` compares them."""

    model_config = ConfigDict(json_schema_extra={"examples": [writing_examples.CONTINUATIONS_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    continuations: list[TextContinuation] = Field(description="At most `top_k`; each text once.")


_EVENT = {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}, "required": ["data"]}
STREAM_CONTENT: dict[str, Any] = {EVENT_STREAM: {"schema": _EVENT, "example": writing_examples.CONTINUATIONS_STREAM}}
"""What a stream looks like, for the route's documentation."""


def continued(language: Language, text: str, order: Order) -> Dialogue[list[dict[str, Any]]]:
    """Continuations of a text, ready for JSON."""
    found = yield from order.written(language, text)
    return _answers(found, order)


async def stream(writing: Writing, order: Order) -> StreamingResponse:
    """An event `word` for each token, with what it adds to the text; at the end `continuations`, as answered at once, or `error`."""
    return await streamed(_events(writing, order), failed=_failed, name=writing.model.manifest.name)


async def _events(writing: Writing, order: Order) -> AsyncIterator[bytes]:
    while not writing.finished:
        for index, piece in enumerate(await writing.step()):
            if piece is not None and piece.text:  # nothing is sent of what might become a stop string
                yield event({"index": index, "text": piece.text, "probability": exp(piece.log_prob)}, kind="word")
    manifest = writing.model.manifest
    found = _answers([draft.written() for draft in writing.drafts], order)
    yield event({"model": manifest.name, "version": manifest.version, "continuations": found}, kind="continuations")


def _answers(found: Sequence[Written], order: Order) -> list[dict[str, Any]]:
    best_first = found if order.beams is not None else sorted(found, key=lambda one: -one.log_prob)
    by_text: dict[str, dict[str, Any]] = {}
    for one in best_first:
        text = (one.typed + one.text).lstrip(" ")
        by_text.setdefault(text, {"text": text, "probability": exp(one.log_prob), "finish_reason": one.finish_reason})
    return list(by_text.values())


def _failed(error: ServiceError) -> bytes:
    told = {"type": f"urn:carousel:{error.slug}", "title": error.title, "status": error.status, "detail": error.detail}
    return event(told, kind="error")

"""Next words over HTTP: the body, the answer, the routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.api import examples
from service.api.body import Body
from service.api.deps import Version, model_of, timeout_s, wrong_task
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, documented
from service.contract.manifest import Manifest, NextWordTask
from service.contract.tokenizer import WordTokenizer
from service.tasks.dialogue import Dialogue
from service.tasks.next_word import Choice, continue_text, suggest

MAX_CHARACTERS = 50_000


class NextWordBody(Body):
    """A text under the cursor."""

    text: str = Field(
        max_length=MAX_CHARACTERS, description="The text so far; where it does not end in a space, its last word is completed."
    )
    top_k: int = Field(default=5, ge=1, le=100, description="Suggestions wanted.")
    words: int = Field(default=1, ge=1, le=20, description="Words ahead; more than 1 gives continuations.")
    temperature: float | None = Field(
        default=None, ge=0.01, le=5, description="Draw words instead of taking the likeliest: 1 as the model says, lower is safer."
    )
    seed: int | None = Field(default=None, ge=0, le=2**53 - 1, description="Makes a draw repeatable.")


class WordSuggestion(BaseModel):
    """A word that may follow."""

    word: str = Field(description="The word, whole, where letters of it were typed.")
    probability: float = Field(description="Its probability; given the letters typed, where there are any.")


class TextContinuation(BaseModel):
    """Words that may follow."""

    text: str = Field(description="The words as a text.")
    probability: float = Field(description="Probability of all of them together.")


class Suggestions(BaseModel):
    """The next word, likeliest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SUGGESTIONS_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    suggestions: list[WordSuggestion] = Field(description="At most `top_k`.")


class Continuations(BaseModel):
    """The next words, likeliest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CONTINUATIONS_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    continuations: list[TextContinuation] = Field(description="At most `top_k`.")


router = APIRouter(route_class=HotRoute, tags=["Ask"])

_Name = Annotated[str, Path(description="A next-word model's name.", openapi_examples=examples.names(examples.NEXT_WORD))]
_Question = Annotated[NextWordBody, BodyParameter(openapi_examples=examples.bodies(examples.NEXT_WORD))]


@router.post(
    "/v1/models/{name}/next-word",
    response_model=Suggestions | Continuations,
    summary="Suggest the next words",
    response_description="Words, or continuations where `words` is over 1; likeliest first.",
    responses=documented(TASK_ERRORS),
)
async def next_word(request: Request, body: _Question, name: _Name) -> dict[str, Any]:
    """Suggest the word that follows a text or completes its last one, or continue the text by several words."""
    return await _answer(request, body, name, None)


@router.post(
    "/v1/models/{name}/versions/{version}/next-word",
    response_model=Suggestions | Continuations,
    summary="Suggest the next words with one version",
    response_description="Words, or continuations where `words` is over 1; likeliest first.",
    responses=documented(TASK_ERRORS),
)
async def next_word_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any]:
    """The same with the version that the path says."""
    return await _answer(request, body, name, version)


def dialogue(manifest: Manifest, tokenizer: WordTokenizer | None, body: NextWordBody) -> Dialogue[dict[str, Any]]:
    """What the model is run on for this body; returns the answer without the model's name, ready for JSON.

    Raises:
        WrongTask: not a next-word model.
    """
    if not isinstance(manifest.task, NextWordTask) or tokenizer is None:
        raise wrong_task(manifest)
    return _dialogue(manifest, tokenizer, body)


async def _answer(request: Request, body: NextWordBody, name: str, version: int | None) -> dict[str, Any]:
    model = model_of(request, name, version)
    answer = await model.ask(dialogue(model.manifest, model.tokenizer, body), timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, **answer}


def _dialogue(manifest: Manifest, tokenizer: WordTokenizer, body: NextWordBody) -> Dialogue[dict[str, Any]]:
    choice = Choice(body.top_k, body.temperature, body.seed)
    if body.words == 1:
        return {"suggestions": (yield from suggest(manifest, tokenizer, body.text, choice))}
    return {"continuations": (yield from continue_text(manifest, tokenizer, body.text, choice, words=body.words))}

"""Next words over HTTP: the body, the answer, the routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from service.api import examples, typing_examples
from service.api.continuation import STREAM_CONTENT, Continuations, continued, stream
from service.api.deps import Version, model_of, timeout_s, wrong_task
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, documented
from service.api.suggesting import Asked, SuggestionFields, blend, plain
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
from service.contract.manifest import Manifest, NextWordTask
from service.errors import BadQuestion
from service.personal.errors import PersonalWordsOff
from service.served_model import ServedModel
from service.tasks.barred import Barred
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.generation import Sampling
from service.tasks.language import Language
from service.tasks.next_word import Choice
from service.tasks.word_search import MAX_PIECES

MAX_CHARACTERS = 50_000
MAX_WORDS = 256
_CONTINUATION_FIELDS = frozenset(("sample_top_k", "top_p", "repetition_penalty", "stop", "end", "beams", "length_penalty", "stream"))


class NextWordBody(SuggestionFields):
    """A text under the cursor."""

    text: str = Field(
        max_length=MAX_CHARACTERS, description="The text so far; where it does not end in a space, its last word is completed."
    )
    top_k: int = Field(default=5, ge=1, le=100, description="Suggestions wanted.")
    words: int = Field(
        default=1, ge=1, le=MAX_WORDS, description="Words ahead; more than 1 gives continuations, as `top_k` beams find them."
    )
    temperature: Temperature = None
    seed: Seed = None
    sample_top_k: SampleTopK = None
    top_p: TopP = None
    repetition_penalty: RepetitionPenalty = 1.0
    stop: Stop = Field(default_factory=list)
    end: End = False
    beams: Beams = None
    length_penalty: LengthPenalty = None
    pointer: PointerFlag = True
    stream: bool = Field(default=False, description="Continuations as server-sent events: one, or `top_k` that are drawn.")

    def order(self, language: Language) -> Order:
        """How the text is to be continued, in the words that suggestions have.

        Raises:
            QuestionError: fields that make no sense together.
        """
        self.check_unused()
        if self.stream and self.beams is not None:
            raise QuestionError("beams are known at their end alone: leave out this, or stream", where=("beams",))
        wanted = self.top_k if "top_k" in self.model_fields_set else 1 if self.stream else min(self.top_k, self.beams or self.top_k)
        searched = wanted if self.temperature is None and not self.stream else None
        sampling = Sampling(
            temperature=self.temperature,
            top_k=self.sample_top_k,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            seed=self.seed,
            stop=tuple(self.stop),
            max_tokens=self.words * MAX_PIECES,
            pointer=self.pointer,
            end=self.end,
            words=self.words,
            alternatives=False,
            barred=Barred.of(language.tokenizer, language.hidden.with_request(self.deny, self.allow)),
        )
        order = Order(sampling, wanted, self.beams or searched, self.length_penalty)
        order.check(candidates="top_k", top_k="sample_top_k")
        return order

    def asked(self) -> Asked:
        """The question for one word.

        Raises:
            QuestionError: a field that says how continuations are written.
        """
        for field in sorted(_CONTINUATION_FIELDS & self.model_fields_set):
            if getattr(self, field) != type(self).model_fields[field].get_default(call_default_factory=True):
                raise QuestionError("this is for continuations: set words over 1, or leave it out", where=(field,))
        return Asked(self.text, Choice(self.top_k, self.temperature, self.seed, self.pointer), self)


class WordSuggestion(BaseModel, defer_build=True):
    """A word that may follow."""

    word: str = Field(description="The word, whole, where letters of it were typed.")
    probability: float = Field(description="Its probability; given the letters typed, where there are any.")
    source: str | None = Field(
        default=None, description="Model that it owes most of its probability to, or `personal`; left out where one model alone is asked."
    )


class Suggestions(BaseModel, defer_build=True):
    """The next word, likeliest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SUGGESTIONS_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    suggestions: list[WordSuggestion] = Field(description="At most `top_k`.")
    warnings: list[str] = Field(default_factory=list, description="What was left out of the answer; none: all of it is there.")


router = APIRouter(route_class=HotRoute, tags=["Ask"])

_Name = Annotated[str, Path(description="A next-word model's name.", openapi_examples=examples.names(examples.NEXT_WORD))]
_Question = Annotated[NextWordBody, BodyParameter(openapi_examples=examples.bodies((*examples.NEXT_WORD, *typing_examples.SUGGESTIONS)))]
_responses: dict[int | str, dict[str, Any]] = {200: {"content": STREAM_CONTENT}, **documented((*TASK_ERRORS, PersonalWordsOff))}


@router.post(
    "/v1/models/{name}/next-word",
    response_model=Suggestions | Continuations,
    summary="Suggest the next words",
    response_description="Words, or continuations where `words` is over 1; likeliest first.",
    responses=_responses,
)
async def next_word(request: Request, body: _Question, name: _Name) -> dict[str, Any] | Response:
    """Suggest the word that follows a text or completes its last one, or continue the text by several words."""
    return await _answer(request, body, name, None)


@router.post(
    "/v1/models/{name}/versions/{version}/next-word",
    response_model=Suggestions | Continuations,
    summary="Suggest the next words with one version",
    response_description="Words, or continuations where `words` is over 1; likeliest first.",
    responses=_responses,
)
async def next_word_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any] | Response:
    """The same with the version that the path says."""
    return await _answer(request, body, name, version)


def dialogue(manifest: Manifest, language: Language | None, body: NextWordBody) -> Dialogue[dict[str, Any]]:
    """What the model is run on for this body; returns the answer without the model's name, ready for JSON.

    Raises:
        WrongTask: not a next-word model.
    """
    if not isinstance(manifest.task, NextWordTask) or language is None:
        raise wrong_task(manifest)
    return _dialogue(language, body)


async def _answer(request: Request, body: NextWordBody, name: str, version: int | None) -> dict[str, Any] | Response:
    model = model_of(request, name, version)
    if body.stream and body.words > 1:
        return await _streamed(model, body, timeout_s(request))
    if body.is_blended and body.words == 1:
        answer = await blend(request, model, _asked(body))
    else:
        answer = await model.ask(dialogue(model.manifest, model.language, body), timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, **answer}


def _asked(body: NextWordBody) -> Asked:
    try:
        return body.asked()
    except QuestionError as error:
        raise BadQuestion.of(error) from error


async def _streamed(model: ServedModel, body: NextWordBody, timeout_s: float) -> Response:
    try:
        order = body.order(language_of(model))
    except QuestionError as error:
        raise BadQuestion.of(error) from error
    return await stream(await Writing.begin(model, body.text, order, timeout_s=timeout_s), order)


def _dialogue(language: Language, body: NextWordBody) -> Dialogue[dict[str, Any]]:
    if body.words == 1:
        body.check_plain()
        found = yield from plain(language, body.asked())
        return {"suggestions": [{"word": one.word, "probability": one.probability} for one in found]}  # dataclasses take orjson longer
    if body.stream:
        raise QuestionError("one answer to several questions is no stream: ask the model's own route", where=("stream",))
    return {"continuations": (yield from continued(language, body.text, body.order(language)))}

"""Words of a user of a next-word model over HTTP: learn a text, list, export, restore, forget."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.openapi.models import Example
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from service.api import examples, typing_examples
from service.api.body import Body, parse_body, read_body
from service.api.deps import context_of, model_of
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, documented
from service.api.suggesting import MAX_USER_CHARACTERS, utf8_user
from service.api.writing import language_of
from service.errors import BadQuestion, BodyTooLarge, MalformedBody, UnreadCoding, WrongTask
from service.personal.dictionary import Owner
from service.personal.errors import PersonalWordsOff, PersonalWordsUnavailable
from service.personal.export import MEDIA_TYPE

if TYPE_CHECKING:
    from service.personal.words import PersonalWords  # as in `service.api.deps`

MAX_CHARACTERS = 50_000
MAX_PAGE = 1000
WORDS = "/v1/models/{name}/users/{user:path}/words"


class TextToLearn(Body):
    """What a user has written."""

    text: str = Field(max_length=MAX_CHARACTERS, description="A finished text: every word of it is learned.")


class Learned(BaseModel, defer_build=True):
    """What was learned."""

    words: int = Field(description="Words that were counted, new ones or once more.")
    passed_over: int = Field(description="Parts of a text, or lines, that may be private: passwords, addresses, numbers, codes.")


class PersonalWord(BaseModel, defer_build=True):
    """A word of a user."""

    word: str = Field(description="As it is written.")
    count: int = Field(description="How often it was learned.")


class PersonalWordsPage(BaseModel, defer_build=True):
    """Words of a user in alphabetical order."""

    words: list[PersonalWord] = Field(description="At most `limit`.")
    next: str | None = Field(description="What to send as `after` for those that follow; null where these are the last.")


class Forgotten(BaseModel, defer_build=True):
    """What was forgotten."""

    words: int = Field(description="Words that are gone, with all that was learned of what stands beside them.")


router = APIRouter(route_class=LateRoute, tags=["Personal words"])

_Name = Annotated[str, Path(description="A next-word model's name.", openapi_examples=examples.names(typing_examples.LEARN))]
_User = Annotated[
    str,
    Path(
        min_length=1,
        max_length=MAX_USER_CHARACTERS,
        description="The user: any id of yours, encoded for a path.",
        openapi_examples={"a user": Example(value="typist-7")},
    ),
    AfterValidator(utf8_user),
]
_After = Annotated[
    str, Query(max_length=MAX_USER_CHARACTERS, description="Words behind this one.", openapi_examples={"from the first": Example(value="")})
]
_Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Words wanted.", openapi_examples={"a page": Example(value=100)})]
_Word = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=MAX_USER_CHARACTERS,
        description="The word to forget, however it is written.",
        openapi_examples={"a word": Example(value="Bolkonsky")},
    ),
]
_Everything = Annotated[bool, Query(alias="all", description="Forget the user.", openapi_examples={"one word alone": Example(value=False)})]
_ERRORS = (*MODEL_ERRORS, BadQuestion, WrongTask, PersonalWordsOff, PersonalWordsUnavailable)
_errors = documented(_ERRORS)
_body_errors = documented((*_ERRORS, MalformedBody, BodyTooLarge, UnreadCoding))
_lines: dict[str, Any] = {"schema": {"type": "string"}, "example": '{"word":"Bob","count":3}\n{"before":["dear"],"word":"Bob","count":2}\n'}


@router.post(
    WORDS,
    response_model=Learned,
    summary="Learn what a user has written",
    responses=_body_errors,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": TextToLearn.model_json_schema(), "examples": examples.bodies(typing_examples.LEARN)}
            },
        }
    },
)
async def learn(request: Request, name: _Name, user: _User) -> Learned:
    """Count the words of a text, each behind those before it. The same text again counts again: send it when it is finished."""
    words, owner = _words(request, name, user)
    body = parse_body(TextToLearn, await _data(request))
    learned, passed_over = await words.learn(owner, body.text)
    return Learned(words=learned, passed_over=passed_over)


@router.get(WORDS, response_model=PersonalWordsPage, summary="Words of a user", responses=_errors)
async def list_words(request: Request, name: _Name, user: _User, after: _After = "", limit: _Limit = 100) -> PersonalWordsPage:
    """All words that were learned of a user, in pages; none of a user of whom nothing was learned."""
    words, owner = _words(request, name, user)
    found = await words.words(owner, after=after, limit=limit)
    page = [PersonalWord(word=entry.form, count=entry.count) for entry in found]
    return PersonalWordsPage(words=page, next=found[-1].word if len(found) == limit else None)


@router.put(
    WORDS,
    response_model=Learned,
    summary="Restore the words of a user",
    responses=_body_errors,
    openapi_extra={"requestBody": {"required": True, "content": {"text/plain": _lines}}},
)
async def restore_words(request: Request, name: _Name, user: _User) -> Learned:
    """Take in the lines of an export. What is there stays, with the larger of two counts, so that the same lines again change nothing."""
    words, owner = _words(request, name, user)
    lines = await _data(request)
    if not lines.strip():
        raise MalformedBody("the body is empty: send the lines of an export")
    restored, passed_over = await words.restore(owner, lines)
    return Learned(words=restored, passed_over=passed_over)


@router.delete(WORDS, response_model=Forgotten, summary="Forget a word, or a user", responses=_errors)
async def forget_words(request: Request, name: _Name, user: _User, word: _Word = None, everything: _Everything = False) -> Forgotten:
    """Forget one `word`, or with `all=true` all that was learned of the user."""
    words, owner = _words(request, name, user)
    if everything == (word is not None):
        message = "name the word to forget, or send all=true to forget the user, and not both"
        raise BadQuestion(f"word: {message}", errors=[{"where": ["query", "word"], "message": message}])
    return Forgotten(words=await words.forget_all(owner) if word is None else await words.forget(owner, word))


@router.get(
    WORDS + "/export",
    response_class=StreamingResponse,
    summary="Export the words of a user",
    response_description="A line of JSON for each word, pair and triple.",
    responses={200: {"content": {MEDIA_TYPE: _lines}}, **_errors},
)
async def export_words(request: Request, name: _Name, user: _User) -> StreamingResponse:
    """All that was learned of a user: `word` as it is written, behind the words `before` it, and how often."""
    words, owner = _words(request, name, user)
    pages = words.export(owner)
    first = await anext(pages)  # here, so that a file that fails is answered with its own status

    return StreamingResponse(_all_of(first, pages), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _words(request: Request, name: str, user: str) -> tuple[PersonalWords, Owner]:
    """The words that are kept here, and whose they are."""
    model = model_of(request, name)
    language_of(model)
    personal = context_of(request).personal
    if personal is None:
        raise PersonalWordsOff
    return personal, Owner(model.manifest.name, user)


async def _all_of(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for page in rest:
        yield page


async def _data(request: Request) -> bytes:
    settings = context_of(request).settings
    return await read_body(request.scope, request.receive, limit=settings.max_body_bytes, timeout_s=settings.timeout_s)

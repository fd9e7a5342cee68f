"""Suggestions of the next word as people who type want them: fields of the body; several models and a user's own words in one answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from service.api.body import Body
from service.api.deps import context_of, timeout_s
from service.api.writing import language_of
from service.contract.forms import lower
from service.errors import BadQuestion
from service.personal.dictionary import Owner
from service.personal.errors import PersonalWordsOff, PersonalWordsUnavailable
from service.personal.evidence import Known, blended
from service.served_model import ServedModel
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.hidden import Hidden
from service.tasks.language import Language
from service.tasks.mixture import Mixture, Part, mixed
from service.tasks.next_word import Choice, Suggestion, suggest
from service.tasks.shown import Cursor, base_forms_first, show, written

if TYPE_CHECKING:
    from service.personal.words import PersonalWords  # as in `service.api.deps`

MAX_USER_CHARACTERS = 200
MAX_LISTED = 1000
MAX_OTHERS = 4
CANDIDATES = 100
"""Words of each model that several models, or a model and a user, are blended from; what is not among them has probability 0."""
PERSONAL = "personal"
"""Source of a word that no model suggested."""
_OF_SEVERAL_WORDS = frozenset(("deny", "allow"))


def _one_word(text: str) -> str:
    word = text.strip()
    if len(word.split()) != 1:
        raise PydanticCustomError("word", "this should be one word: no more is suggested at once, send each by itself")
    return word


def utf8_user(user: str) -> str:
    """An id of a user that is read as it was sent: two that are no UTF-8 would be one."""
    if "\ufffd" in user:
        raise PydanticCustomError("user", "this has U+FFFD, which stands for whatever is no UTF-8: encode the id in UTF-8")
    return user


ListedWords = Annotated[list[Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_word)]], Field(max_length=MAX_LISTED)]
User = Annotated[str, Field(min_length=1, max_length=MAX_USER_CHARACTERS), AfterValidator(utf8_user)]


class OtherModel(Body):
    """A model that answers too."""

    name: str = Field(min_length=1, max_length=200, description="A next-word model, `model` or `model@label`.")
    weight: float = Field(gt=0, lt=1, description="How much it counts; what the weights leave of 1 is the model's in the path.")


class SuggestionFields(Body):
    """What is suggested beside the model's likeliest words, and what is not."""

    user: User | None = Field(
        default=None, description="Whose own words are blended in: any id of yours. Needs the setting `personal_words`."
    )
    learn: bool = Field(
        default=False, description="Learn the word that a space or line end at the end of `text` has just finished; needs `user`."
    )
    deny: ListedWords = Field(default_factory=list, description="Words not to suggest.")
    allow: ListedWords = Field(default_factory=list, description="Words to suggest although a list denies them.")
    base_first: bool = Field(default=True, description="`walk` before `walked`, unless that is much likelier; false: by probability alone.")
    models: list[OtherModel] = Field(
        default_factory=list, max_length=MAX_OTHERS, description="Further models, as of other languages: probabilities are added by weight."
    )

    @property
    def is_blended(self) -> bool:
        """Whether more than the model of the path is asked."""
        return self.user is not None or self.learn or bool(self.models)

    def check_blend(self) -> None:
        """Refuse what makes no sense together.

        Raises:
            QuestionError: with the field that is one too many.
        """
        if self.learn and self.user is None:
            raise QuestionError("whose word is it? set user, or leave this out", where=("learn",))
        if sum(other.weight for other in self.models) >= 1:
            raise QuestionError("the weights add up to 1 or more: leave some for the model of the path", where=("models",))

    def check_plain(self) -> None:
        """Refuse what one dialogue with one model cannot answer.

        Raises:
            QuestionError: with the field.
        """
        for field in ("user", "learn", "models"):
            if getattr(self, field):
                raise QuestionError("this is answered by the model's own route alone: leave it out, or ask there", where=(field,))

    def check_unused(self) -> None:
        """Refuse those of these fields that would change nothing where several words are written.

        Raises:
            QuestionError: with the first such field.
        """
        for field, info in SuggestionFields.model_fields.items():
            if field not in _OF_SEVERAL_WORDS and getattr(self, field) != info.get_default(call_default_factory=True):
                raise QuestionError("this is for suggestions of one word: set words to 1, or leave it out", where=(field,))


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: what is to follow `text`."""

    text: str
    choice: Choice
    fields: SuggestionFields


def plain(language: Language, asked: Asked) -> Dialogue[list[Suggestion]]:
    """The suggestions of one model, as they are shown."""
    fields = asked.fields
    hidden = language.hidden.with_request(fields.deny, fields.allow)
    return (yield from show(language, asked.text, asked.choice, hidden=hidden, base_first=fields.base_first))


async def blend(request: Request, model: ServedModel, asked: Asked) -> dict[str, Any]:
    """Suggestions of several models and of what the user writes, each with its source; the answer but for the model's name.

    Raises:
        BadQuestion: fields that make no sense together.
        WrongTask, ModelNotFound, PersonalWordsOff: as it says.
    """
    fields = asked.fields
    others = [(context_of(request).registry.resolve(other.name, None), other.weight) for other in fields.models]
    models = [(model, 1 - sum(weight for _, weight in others)), *others]
    _check(asked, [one.manifest.name for one, _ in models])
    languages = [language_of(one) for one, _ in models]
    personal = context_of(request).personal
    if fields.user is not None and personal is None:
        raise PersonalWordsOff
    seconds = timeout_s(request)
    hidden = languages[0].hidden.with_request(fields.deny, fields.allow)
    asking = (one.ask(_candidates(language, asked, hidden), seconds) for (one, _), language in zip(models, languages, strict=True))
    (known, warnings), found = await asyncio.gather(_known(personal, model, asked), asyncio.gather(*asking))
    mixture = mixed([Part(one.manifest.name, weight, words) for (one, weight), words in zip(models, found, strict=True)])
    return {"suggestions": _shown(asked, languages, mixture, known, hidden), **({"warnings": warnings} if warnings else {})}


def _check(asked: Asked, names: list[str]) -> None:
    try:
        asked.fields.check_blend()
        if len(set(names)) < len(names):
            raise QuestionError("a model is named twice: give it one weight", where=("models",))
        if asked.choice.temperature is not None:
            raise QuestionError("what is blended is not drawn: leave this out, or user and models", where=("temperature",))
    except QuestionError as error:
        raise BadQuestion.of(error) from error


async def _known(personal: PersonalWords | None, model: ServedModel, asked: Asked) -> tuple[Known, list[str]]:
    """What is known of the user, and what went wrong: suggestions go on without it."""
    known = Known()
    user = asked.fields.user
    if user is None or personal is None:
        return known, []
    owner = Owner(model.manifest.name, user)
    try:
        known = await personal.known(owner, asked.text)
        if asked.fields.learn:
            await personal.learn_last(owner, asked.text)
    except PersonalWordsUnavailable as error:
        return known, [f"personal words are not available: {error.detail}"]
    return known, []


def _candidates(language: Language, asked: Asked, hidden: Hidden) -> Dialogue[list[Suggestion]]:
    """The likeliest words of a model, hidden ones among them: more than `CANDIDATES` where too few of those may be shown."""
    wanted = max(CANDIDATES, asked.choice.top_k)
    while True:
        found = yield from suggest(language, asked.text, replace(asked.choice, top_k=wanted))
        if not hidden or len(found) < wanted or sum(one.word not in hidden for one in found) >= asked.choice.top_k:
            return found
        wanted *= 4


def _shown(asked: Asked, languages: list[Language], mixture: Mixture, known: Known, hidden: Hidden) -> list[dict[str, Any]]:
    fields = asked.fields
    found = [one for one in blended(mixture.found, known.levels) if one.word not in hidden]
    cursor = Cursor.behind(asked.text)
    if fields.base_first:
        found = base_forms_first(found, lower(cursor.typed))
    forms = {language.manifest.name: language.forms for language in languages}
    answer = []
    for one in found[: asked.choice.top_k]:
        source = mixture.sources.get(one.word, PERSONAL)
        own = forms.get(source, languages[0].forms)
        form = known.forms.get(one.word) or own.get(one.word, one.word)
        word = written(one.word, cursor, {one.word: form}) if own else form
        answer.append({"word": word, "probability": one.probability, "source": source})
    return answer

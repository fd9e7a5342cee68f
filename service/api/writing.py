"""What routes that write a text on share: fields of their bodies, what makes no sense together, and texts being written for a request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from service.api.deps import wrong_task
from service.served_model import ServedModel
from service.tasks.dialogue import Dialogue, QuestionError, Where
from service.tasks.generation import Draft, Piece, Sampling, Written, beam, begin, step, write
from service.tasks.language import Language

MAX_ROWS = 4096
"""Candidates or beams times words: what one request may have the graph run for."""
NOTHING_DRAWN = "nothing is drawn without a temperature: set one, or leave this out"


def _drawn(temperature: Any) -> Any:  # noqa: ANN401 - whatever JSON there is
    if temperature == 0:
        raise PydanticCustomError("temperature", "words are drawn at 0.01 to 5: leave this out for the likeliest ones")
    return temperature


Temperature = Annotated[
    float | None,
    Field(ge=0.01, le=5, description="Draw words instead of taking the likeliest: 1 as the model says, lower is safer."),
    BeforeValidator(_drawn),
]
Seed = Annotated[int | None, Field(ge=0, le=2**53 - 1, description="Makes a draw repeatable.")]
SampleTopK = Annotated[int | None, Field(ge=1, le=1_000_000, description="Draw from so many of the likeliest tokens alone.")]
TopP = Annotated[
    float | None, Field(gt=0, le=1, description="Draw from the fewest tokens whose probabilities sum to this alone (nucleus sampling).")
]
RepetitionPenalty = Annotated[
    float, Field(ge=0.1, le=10, description="Multiplies log-probabilities of what stands in the text already: over 1 repeats less.")
]
Stop = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    Field(max_length=16, description="Strings before which the text ends; where one might be coming, a stream waits."),
]
Beams = Annotated[int | None, Field(ge=1, le=100, description="Width of a beam search for the likeliest continuations; it draws nothing.")]
LengthPenalty = Annotated[
    float | None,
    Field(ge=0, le=5, description="Beams are compared by log-probability over tokens to this power; left out, 1: by the mean of a token."),
]
End = Annotated[bool, Field(description="Let the model end the text where it would end the line.")]
PointerFlag = Annotated[
    bool, Field(description="Words of this very text count as likelier, where the model has a pointer cache; false turns that off.")
]


@dataclass(frozen=True, slots=True)
class Order:
    """How a text is to be written on: so many `candidates`, drawn or the likeliest; where `beams` is not None, by beam search."""

    sampling: Sampling
    candidates: int = 1
    beams: int | None = None
    length_penalty: float | None = None

    def check(self, *, candidates: str, top_k: str, at: Where = ()) -> None:
        """Refuse what makes no sense together, or is too much; `at` leads to the fields, of which two have names of their own.

        Raises:
            QuestionError: with the field that is one too many.
        """
        drawn = self.sampling.temperature is not None
        alike = self.candidates > 1 and not drawn and self.beams is None
        rows = (self.beams or self.candidates) * (self.sampling.words or self.sampling.max_tokens)
        for field, wrong, message in (
            (top_k, not drawn and self.sampling.top_k is not None, NOTHING_DRAWN),
            ("top_p", not drawn and self.sampling.top_p is not None, NOTHING_DRAWN),
            ("beams", drawn and self.beams is not None, "a beam search draws nothing: leave out this, or temperature"),
            ("beams", self.beams is not None and self.beams < self.candidates, f"this should be at least {candidates}, {self.candidates}"),
            ("length_penalty", self.beams is None and self.length_penalty is not None, "this compares beams: set those, or leave it out"),
            (candidates, rows > MAX_ROWS, f"{rows} words in all, over {MAX_ROWS}: ask for less, or narrower beams"),
            (candidates, alike, "the likeliest text is one: set temperature or beams for more, or leave this out"),
        ):
            if wrong:
                raise QuestionError(message, where=(*at, field))

    def written(self, language: Language, text: str) -> Dialogue[list[Written]]:
        """At most `candidates` texts behind `text`; those of a beam search best first."""
        if self.beams is None:
            return (yield from write(language, text, self.sampling, candidates=self.candidates))
        penalty = 1.0 if self.length_penalty is None else self.length_penalty
        found = yield from beam(language, text, self.sampling, width=self.beams, length_penalty=penalty)
        return found[: self.candidates]


@dataclass(frozen=True, slots=True)
class Writing:
    """Texts that are being written for one request, which has until `deadline` of `time.monotonic` for all of them."""

    model: ServedModel
    language: Language
    drafts: list[Draft]
    deadline: float

    @classmethod
    async def begin(cls, model: ServedModel, text: str, order: Order, *, timeout_s: float) -> Writing:
        """Read the text; raises what `language_of` and `ServedModel.ask` raise."""
        deadline = time.monotonic() + timeout_s
        language = language_of(model)
        drafts = await model.ask(begin(language, text, order.sampling, candidates=order.candidates), timeout_s)
        return cls(model, language, drafts, deadline)

    @property
    def finished(self) -> bool:
        """Whether nothing more will be written."""
        return all(draft.finished for draft in self.drafts)

    async def step(self) -> list[Piece | None]:
        """One token more for each draft, None for those that have ended; raises what `ServedModel.ask` raises."""
        return await self.model.ask(step(self.language, self.drafts), max(self.deadline - time.monotonic(), 0.0))


def language_of(model: ServedModel) -> Language:
    """What the model's tokens mean.

    Raises:
        WrongTask: it is no next-word model.
    """
    if model.language is None:
        raise wrong_task(model.manifest)
    return model.language

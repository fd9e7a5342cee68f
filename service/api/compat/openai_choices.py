"""Choices of OpenAI's completions: prompts that are read, and what is written behind each, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from service.api.compat.openai_order import Order
from service.contract.subwords import AnyTokenizer
from service.tasks.dialogue import Dialogue
from service.tasks.generation import Draft, Piece
from service.tasks.language import Language
from service.tasks.passage import FinishReason, Passage
from service.tasks.prompt import Prompt
from service.tasks.reading import read, without_pointer
from service.tasks.scoring import Scored, Verdict, score


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one token, which begins at `offset`, counted from the prompt's beginning."""

    label: str
    log_prob: float | None
    likeliest: dict[str, float] | None
    offset: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a choice; with the last one goes the reason why it is the last."""

    text: str
    told: tuple[Told, ...] = ()
    finish_reason: FinishReason | None = None


@dataclass(slots=True)
class Choice:
    """A text that is written behind a prompt; what was written ends at `end`, counted from the prompt's beginning."""

    prompt: Prompt
    draft: Draft
    end: int
    parts: list[Part] = field(default_factory=list)

    @property
    def mean_log_prob(self) -> float:
        """Of a token that was written."""
        pieces = self.draft.passage.pieces
        return sum(piece.log_prob for piece in pieces) / max(len(pieces), 1)

    def grow(self, tokenizer: AnyTokenizer, order: Order, before: Passage, piece: Piece) -> Part:
        """The part that a piece adds behind `before`. What could have stood in its place is told of and dropped: it takes much room."""
        told: tuple[Told, ...] = ()
        if order.likeliest is not None:
            verdict = Verdict(piece.token, piece.log_prob, ())
            if piece.alternatives is not None:
                verdict = Verdict.of(piece.alternatives, piece.token, likeliest=order.likeliest)
            told = (_told(tokenizer, verdict, before, offset=self.end),)
        passage = self.draft.passage
        self.draft.passage = replace(passage, pieces=(*passage.pieces[:-1], replace(piece, alternatives=None)))
        self.end += len(piece.token_text)
        part = Part(piece.text, told, passage.finish_reason)
        self.parts.append(part)
        return part


def begin(language: Language, order: Order) -> Dialogue[list[Choice]]:
    """Read the prompts. Choices of the first come first; the parts that they have so far are the prompts, where those are wanted."""
    manifest = language.manifest if order.sampling.pointer else without_pointer(language.manifest)
    if order.judged:
        scored = yield from score(manifest, [prompt.ids for prompt in order.prompts], likeliest=order.likeliest or 0)
    else:
        scored = []
        for prompt in order.prompts:
            reading = yield from read(manifest, prompt.ids, language.memory)
            scored.append(Scored((), reading))
    choices: list[Choice] = []
    for prompt, own in zip(order.prompts, scored, strict=True):
        words = frozenset(prompt.ids).difference(language.tokenizer.hidden_ids)
        begun = [_echoed(language.tokenizer, order, prompt, own.verdicts)] if order.echo or not order.sampling.max_tokens else []
        for generator in np.random.default_rng(order.sampling.seed).spawn(order.candidates):
            draft = Draft(order.sampling, own.reading, prompt.passage, words, generator)
            choices.append(Choice(prompt, draft, len(prompt.text), [*begun]))
    return choices


def choice_json(index: int, parts: Sequence[Part], order: Order) -> dict[str, Any]:
    """A choice, or the parts of it that an event has, ready for JSON."""
    told = [one for part in parts for one in part.told]
    logprobs = None
    if order.likeliest is not None:
        logprobs = {
            "tokens": [one.label for one in told],
            "token_logprobs": [one.log_prob for one in told],
            "top_logprobs": [one.likeliest for one in told],
            "text_offset": [one.offset for one in told],
        }
    text = "".join(part.text for part in parts)
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": parts[-1].finish_reason}


def usage(order: Order, choices: Iterable[Choice]) -> dict[str, int]:
    """Tokens of prompts and choices."""
    read_tokens = sum(prompt.tokens for prompt in order.prompts)
    written = sum(len(choice.draft.passage.pieces) for choice in choices)
    return {"prompt_tokens": read_tokens, "completion_tokens": written, "total_tokens": read_tokens + written}


def _echoed(tokenizer: AnyTokenizer, order: Order, prompt: Prompt, verdicts: Sequence[Verdict]) -> Part:
    """What a choice has before anything is written; all of it, where nothing is to be."""
    reason: FinishReason | None = None if order.sampling.max_tokens else "length"
    told: list[Told] = []
    if order.judged and prompt.tokens:
        first = Verdict(prompt.ids[prompt.implied], 0.0, ())
        told.append(replace(_told(tokenizer, first, Passage(""), offset=0), log_prob=None, likeliest=None))
        for verdict, start in zip(verdicts[prompt.implied :], prompt.starts[1:], strict=True):
            told.append(_told(tokenizer, verdict, Passage(prompt.text[max(start - 1, 0) : start]), offset=start))
    return Part(prompt.text if order.echo else "", tuple(told), reason)


def _told(tokenizer: AnyTokenizer, verdict: Verdict, before: Passage, *, offset: int) -> Told:
    """A verdict in texts: what each token would add behind what was there before."""

    def label(token: int) -> str:
        return before.addition(tokenizer, token) or tokenizer.words[token]

    log_probs = dict(verdict.likeliest)
    log_probs.setdefault(verdict.token, verdict.log_prob)
    named: dict[str, float] = {}
    for token, log_prob in log_probs.items():
        name = label(token)
        named[tokenizer.words[token] if name in named else name] = log_prob
    return Told(label(verdict.token), verdict.log_prob, named, offset)

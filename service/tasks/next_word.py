"""Next words: a text under the cursor -> likely words, completions of the word being typed, or continuations of several words.

A text is also written on word by word (`first_word`, `following_word`), for callers who read along.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import Manifest, NextWordTask
from service.contract.tokenizer import Context, WordTokenizer, join_words
from service.tasks.dialogue import Dialogue, QuestionError, Step

LogProbs = NDArray[np.floating]

_PICKED = ("top_ids", "top_log_probs")
_ALL = ("log_probs",)

MAX_TOKENS = 4096
"""Tokens of a text that are read: the last ones, as many as this."""
MAX_CHARACTERS = 16 * MAX_TOKENS
"""Characters of a text that are split into tokens: the last ones, as many as this."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word and its probability; for a word being typed, given the letters typed."""

    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class Continuation:
    """Words that may follow and the probability of all of them together."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Choice:
    """How words are chosen: the `top_k` likeliest, or `top_k` drawn at a temperature (0 < t; 1 as the model says, lower is safer)."""

    top_k: int = 5
    temperature: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A word that was written: its id, what it adds to the text, and the state of the model before it has read it."""

    number: int
    addition: str
    state: Tensors


@dataclass(frozen=True, slots=True)
class _Beam:
    words: tuple[int, ...]
    log_prob: float


def suggest(manifest: Manifest, tokenizer: WordTokenizer, text: str, choice: Choice) -> Dialogue[list[Suggestion]]:
    """The next word of `text`, or completions of its last word where it does not end in a space; likeliest first.

    Raises:
        QuestionError: the model does not predict words.
    """
    task = _checked(manifest)
    context = tokenizer.context(text[-MAX_CHARACTERS:])
    if not context.prefix and choice.temperature is None and choice.top_k <= task.top_k:  # the graph has picked these
        outputs = yield Step(first_step(manifest, [context]), _PICKED)
        ids, log_probs = (outputs[name][0, : choice.top_k].tolist() for name in _PICKED)
        return [Suggestion(tokenizer.words[number], exp(log_prob)) for number, log_prob in zip(ids, log_probs, strict=True)]
    outputs = yield Step(first_step(manifest, [context]), _ALL)
    log_probs = _allowed(task, outputs["log_probs"][0], tokenizer, context.prefix)
    picked = _pick(log_probs, choice, np.random.default_rng(choice.seed))
    return [Suggestion(tokenizer.words[number], float(np.exp(log_probs[number]))) for number in picked]


def continue_text(manifest: Manifest, tokenizer: WordTokenizer, text: str, choice: Choice, *, words: int) -> Dialogue[list[Continuation]]:
    """`top_k` continuations of `words` words: by beam search, or drawn one word at a time at a temperature; likeliest first.

    Where `text` ends within a word, the first word completes it and is written whole.
    """
    generator = np.random.default_rng(choice.seed)
    task = _checked(manifest)
    context = tokenizer.context(text[-MAX_CHARACTERS:])
    outputs = yield Step(first_step(manifest, [context]))
    log_probs = _allowed(task, outputs["log_probs"][0], tokenizer, context.prefix)
    beams = [_Beam((number,), float(log_probs[number])) for number in _pick(log_probs, choice, generator)]
    state = {before: np.repeat(outputs[after], len(beams), axis=0) for before, after in manifest.state.items()}
    for _ in range(words - 1):
        if not beams:
            break
        tokens = np.array([[beam.words[-1]] for beam in beams], np.int64)  # (beams, 1)
        outputs = yield Step({"tokens": tokens, **state})
        beams, parents = _extended(task, beams, outputs["log_probs"], choice, generator)
        state = {before: outputs[after][parents] for before, after in manifest.state.items()}
    beams.sort(key=lambda beam: -beam.log_prob)
    return [Continuation(join_words(tokenizer.words[number] for number in beam.words), float(np.exp(beam.log_prob))) for beam in beams]


def first_word(
    manifest: Manifest, tokenizer: WordTokenizer, text: str, temperature: float | None, generator: np.random.Generator
) -> Dialogue[Written]:
    """The likeliest word behind `text`, or one drawn at a temperature; where `text` ends within a word of the vocabulary, its end.

    Raises:
        QuestionError: the model does not predict words.
    """
    text = text[-MAX_CHARACTERS:]
    context = tokenizer.context(text)
    if context.prefix and not tokenizer.begins_with(context.prefix).any():
        context = tokenizer.context(text + " ")  # a word that the model does not know is read as it stands
    outputs = yield Step(first_step(manifest, [context]))
    number = _one(manifest, tokenizer, outputs, context.prefix, temperature, generator)
    word = tokenizer.words[number]
    return Written(number, word[len(context.prefix) :] if context.prefix else _behind(text, word), _continued(manifest, outputs))


def following_word(
    manifest: Manifest, tokenizer: WordTokenizer, written: Written, temperature: float | None, generator: np.random.Generator
) -> Dialogue[Written]:
    """The word behind one that was written."""
    outputs = yield Step({"tokens": np.array([[written.number]], np.int64), **written.state})
    number = _one(manifest, tokenizer, outputs, "", temperature, generator)
    return Written(number, _behind(tokenizer.words[written.number], tokenizer.words[number]), _continued(manifest, outputs))


def first_step(manifest: Manifest, contexts: list[Context]) -> Tensors:
    """Graph inputs that read texts of one length from the start: tokens (batch, time) and states of zero."""
    tokens = np.array([context.ids[-MAX_TOKENS:] for context in contexts], np.int64)
    return {"tokens": tokens, **zero_state(manifest, len(contexts))}


def zero_state(manifest: Manifest, batch: int) -> Tensors:
    """States of a text's start, each (batch, layers, hidden)."""
    shapes = {spec.name: spec.shape[1:] for spec in manifest.inputs}
    return {name: np.zeros((batch, *shapes[name]), np.float32) for name in manifest.state}


def _checked(manifest: Manifest) -> NextWordTask:
    if not isinstance(manifest.task, NextWordTask):
        raise QuestionError(f"{manifest.name} does not predict words")
    return manifest.task


def _one(
    manifest: Manifest,
    tokenizer: WordTokenizer,
    outputs: Tensors,
    prefix: str,
    temperature: float | None,
    generator: np.random.Generator,
) -> int:
    """Id of the likeliest word, or of one that is drawn."""
    log_probs = _allowed(_checked(manifest), outputs["log_probs"][0], tokenizer, prefix)
    return _pick(log_probs, Choice(1, temperature), generator)[0]


def _continued(manifest: Manifest, outputs: Tensors) -> Tensors:
    """The state to go on from."""
    return {before: outputs[after] for before, after in manifest.state.items()}


def _behind(text: str, word: str) -> str:
    """What `word` adds to `text`: itself, and a space before it where one is needed."""
    if not text or text[-1].isspace():
        return word
    return join_words((text[-1], word))[1:]


def _allowed(task: NextWordTask, log_probs: LogProbs, tokenizer: WordTokenizer, prefix: str) -> LogProbs:
    """Log-probabilities with what must not be suggested at -inf; with a prefix, those of the words that begin with it, normalised."""
    allowed = log_probs.astype(np.float64)
    allowed[[task.end_id, task.unknown_id]] = -np.inf
    if prefix:
        begins = tokenizer.begins_with(prefix)
        allowed[~begins] = -np.inf
        if begins.any():
            top = allowed.max()
            allowed -= top + np.log(np.exp(allowed - top).sum())
    return allowed


def _pick(log_probs: LogProbs, choice: Choice, generator: np.random.Generator) -> list[int]:
    """Ids of `top_k` words, best first: the likeliest, or drawn without replacement (Gumbel top-k, Kool et al. 2019)."""
    scores = log_probs
    if choice.temperature is not None:
        scores = log_probs / choice.temperature + generator.gumbel(size=log_probs.shape)
    best = np.argpartition(-scores, min(choice.top_k, len(scores) - 1))[: choice.top_k]
    best = best[np.argsort(-scores[best], kind="stable")]
    return [int(number) for number in best if np.isfinite(log_probs[number])]


def _extended(
    task: NextWordTask, beams: list[_Beam], log_probs: LogProbs, choice: Choice, generator: np.random.Generator
) -> tuple[list[_Beam], list[int]]:
    """Beams one word longer, and the row each one grew from."""
    table = log_probs.astype(np.float64)  # (beams, vocabulary)
    table[:, [task.end_id, task.unknown_id]] = -np.inf
    if choice.temperature is not None:
        drawn = [_pick(row, Choice(1, choice.temperature), generator)[0] for row in table]
        grown = [_Beam((*beam.words, word), beam.log_prob + float(row[word])) for beam, row, word in zip(beams, table, drawn, strict=True)]
        return grown, list(range(len(beams)))
    totals = table + np.array([[beam.log_prob] for beam in beams])
    best = _pick(totals.ravel(), Choice(choice.top_k), generator)
    parents = [index // table.shape[1] for index in best]
    words = [index % table.shape[1] for index in best]
    grown = [_Beam((*beams[parent].words, word), float(totals[parent, word])) for parent, word in zip(parents, words, strict=True)]
    return grown, parents

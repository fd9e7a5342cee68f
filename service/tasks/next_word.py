"""Next words: a text under the cursor -> likely words, or completions of the word being typed."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import NextWordTask
from service.contract.subwords import SubwordTokenizer
from service.contract.tokenizer import WordTokenizer
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.language import Language
from service.tasks.reading import LogProbs, read_text, without_pointer
from service.tasks.sampling import log_sum
from service.tasks.word_search import remembered_words

MAX_CHARACTERS = 65_536
"""Characters of a text that are looked at: the last ones, as many as this."""
MIN_DRAWN_FROM = 32
"""Words of a model of subwords that some are drawn from: the likeliest, as many as this or as are wanted."""
FEW = 16
"""As many words as this are found sooner one after the other than by parting all from the rest."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word and its probability; for a word being typed, given the letters typed."""

    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class Choice:
    """How words are chosen: the `top_k` likeliest, or `top_k` drawn at a temperature (0 < t; 1 as the model says, lower is safer).

    Without `pointer`, words that the text has had before are not held for likelier, where the model has such a cache.
    """

    top_k: int = 5
    temperature: float | None = None
    seed: int | None = None
    pointer: bool = True


def suggest(language: Language, text: str, choice: Choice) -> Dialogue[list[Suggestion]]:
    """The next word of `text`, or completions of its last word where it does not end in a space; likeliest first, or as they are drawn.

    Raises:
        QuestionError: the model does not predict words.
    """
    manifest, tokenizer = language.manifest, language.tokenizer
    if not isinstance(manifest.task, NextWordTask):
        raise QuestionError(f"{manifest.name} does not predict words")
    if manifest.task.pointer is not None and not choice.pointer:
        manifest = without_pointer(manifest)
    text = text[-MAX_CHARACTERS:]
    reading, prefix = yield from read_text(manifest, tokenizer, text, language.memory)
    if isinstance(tokenizer, SubwordTokenizer):
        count = choice.top_k if choice.temperature is None else max(choice.top_k, MIN_DRAWN_FROM)
        opening = tokenizer.opening(text)
        found = yield from remembered_words(manifest, tokenizer, reading, opening, count=count, memory=language.memory)
        likely = np.log(np.array([probability for _, probability in found], np.float64))
        return [Suggestion(*found[place]) for place in _picked(likely, choice)]
    numbers, log_probs = _candidates(tokenizer, reading.log_probs, prefix)
    places = _picked(log_probs, choice)
    probabilities = np.exp(log_probs[places], dtype=np.float64).tolist()
    ids = places if numbers is None else numbers[places].tolist()
    return [Suggestion(word, one) for word, one in zip(tokenizer.spelled(ids, prefix), probabilities, strict=True)]


def _candidates(tokenizer: WordTokenizer, log_probs: LogProbs, prefix: str) -> tuple[NDArray[np.intp] | None, NDArray[np.floating]]:
    """Ids of the words that may be meant and their log-probabilities, given the letters typed; None: the places are the ids."""
    if not prefix:
        every = log_probs.copy()
        for number in tokenizer.hidden_ids:
            every[number] = -np.inf
        return None, every
    numbers = tokenizer.completions(prefix)
    found = log_probs[numbers].astype(np.float64)
    if len(found):
        found -= log_sum(found)
    return numbers, found


def _picked(log_probs: NDArray[np.floating], choice: Choice) -> list[int]:
    """Places of `top_k` words, best first: the likeliest, or drawn without replacement (Gumbel top-k, Kool et al. 2019)."""
    if choice.temperature is None and choice.top_k <= FEW:
        return _few(log_probs, choice.top_k)
    scores = log_probs
    if choice.temperature is not None:
        scores = log_probs / choice.temperature + np.random.default_rng(choice.seed).gumbel(size=log_probs.shape)
    if len(scores) > choice.top_k:
        best = np.flatnonzero(scores >= np.partition(scores, -choice.top_k)[-choice.top_k])  # sooner than np.argpartition
    else:
        best = np.arange(len(scores))
    best = best[np.argsort(-scores[best], kind="stable")[: choice.top_k]]
    finite: list[int] = best[np.isfinite(log_probs[best])].tolist()
    return finite


def _few(log_probs: NDArray[np.floating], count: int) -> list[int]:
    """Places of the `count` likeliest words, of equally likely ones the first; each search is one call, and there are few."""
    left = log_probs.copy()
    found = []
    for _ in range(min(count, len(left))):
        place = int(left.argmax())  # of NaN, where the graph gave one
        if isfinite(left[place]):
            found.append(place)
        left[place] = -np.inf
    return found

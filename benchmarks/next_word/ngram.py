"""The rival: a modified Kneser-Ney 5-gram model, of a script that lies beside the data (`tools/mkn.py`)."""

from __future__ import annotations

import importlib.util
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.next_word.datasets import Dataset
from service.contract.jamo import typed_letters
from service.contract.tokenizer import cut_typed

START, END, UNKNOWN = 0, 1, 2
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Scores:
    """As the script measures them: top-1 and top-3 of the words that it knows, and the share of the words that it does not."""

    perplexity: float
    top1: float
    top3: float
    unknown: float


class NGram:
    """The model, fitted to the training text of a data set."""

    def __init__(self, dataset: Dataset, script: Path) -> None:
        """Raises FileNotFoundError where the script is not there."""
        self._module = _load(script)
        self._dataset = dataset
        began = time.monotonic()
        sentences = self._module.load(dataset.train)
        counts = Counter(word for sentence in sentences for word in sentence)
        known = [word for word, _ in counts.most_common(dataset.known_words)]
        self._ids = {word: number for number, word in enumerate(("<s>", "</s>", "<unk>", *known))}
        self._words = list(self._ids)
        self._model: Any = self._module.MKN(self._module.enc(sentences, self._ids), len(self._ids))
        self.minutes = (time.monotonic() - began) / 60
        self._distribution = lru_cache(maxsize=64)(self._make_distribution)

    @cached_property
    def scores(self) -> Scores:
        """By its own rules on the test text."""
        tokens = self._module.enc(self._module.load(self._dataset.test), self._ids)
        found = self._model.evalu(tokens, 30_000)
        return Scores(found["ppl"], found["top1"], found["top3"], float(np.mean(tokens[tokens > END] == UNKNOWN)))

    @property
    def numbers(self) -> int:
        """N-grams that it keeps a probability of."""
        return len(self._model.p1) + sum(len(shares) for shares in self._model.pr.values())

    def suggest(self, text: str) -> list[str]:
        """The likeliest words behind the last line of a text, or completions of the word being typed."""
        finished, prefix = cut_typed(text.rpartition("\n")[2])
        history = [self._ids.get(word, UNKNOWN) for word in self._module.TOK.findall(finished.lower())]
        shares = self._distribution(tuple([START, *history][-(self._module.ORDER - 1) :]))
        if prefix:
            begins = self._beginning(prefix)
            return [self._words[number] for number in begins[np.argsort(-shares[begins], kind="stable")[:SHOWN]]]
        return [self._words[number] for number in np.argsort(-shares, kind="stable")[:SHOWN]]

    def _make_distribution(self, history: tuple[int, ...]) -> NDArray[np.float64]:
        """Probability of each word after some others, as `evalu` makes it; 0 of what is not suggested."""
        model = self._model
        shares: NDArray[np.float64] = model.p1.copy()
        for order in range(2, self._module.ORDER + 1):
            place = self._find(history[len(history) - order + 1 :]) if len(history) >= order - 1 else None
            if place is None:
                break
            first, last = model.start[order][place : place + 2]
            if first == last:
                break
            shares *= model.gam[order][place]
            shares[model.w[order][first:last]] += model.pr[order][first:last]
        shares[: UNKNOWN + 1] = 0
        return shares

    def _find(self, words: tuple[int, ...]) -> int | None:
        """The place of an n-gram among those of its order."""
        place = words[0]
        for order, word in enumerate(words[1:], start=2):
            keys = self._model.keys[order]
            key = place * self._model.V + word
            place = int(np.searchsorted(keys, key))
            if place == len(keys) or keys[place] != key:
                return None
        return place

    @cached_property
    def _alphabetical(self) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
        """Words as they are typed, in that order, and their ids."""
        letters = np.array([typed_letters(word) for word in self._words[UNKNOWN + 1 :]])
        order = np.argsort(letters, kind="stable")
        return letters[order], order + UNKNOWN + 1

    def _beginning(self, prefix: str) -> NDArray[np.int64]:
        """Ids of the words that begin with these letters; a Korean syllable may still be being composed."""
        letters, ids = self._alphabetical
        typed = typed_letters(prefix)
        first, last = np.searchsorted(letters, typed), np.searchsorted(letters, typed + "\U0010ffff")
        return ids[first:last]


def _load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mkn", script)
    if not script.is_file() or spec is None or spec.loader is None:
        raise FileNotFoundError(f"{script} is not there: the Kneser-Ney model is fitted by it")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""The next word by several models at once: their probabilities, interpolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.tasks.next_word import Suggestion


@dataclass(frozen=True, slots=True)
class Part:
    """What one model suggests, and how much it counts."""

    model: str
    weight: float
    found: Sequence[Suggestion]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Words of several models, likeliest first, and the model that each owes most of its probability to."""

    found: list[Suggestion]
    sources: dict[str, str]


def mixed(parts: Sequence[Part]) -> Mixture:
    """The linear interpolation of models (Jelinek & Mercer 1980): p(w) is the sum of weight times p(w) of each model.

    A model that suggests nothing here, as one of another script behind the letters typed, is passed over, and the weights of the others
    are scaled to 1. A word that a model does not suggest has probability 0 in it.
    """
    answering = [part for part in parts if part.found]
    total = sum(part.weight for part in answering)
    shares: dict[str, dict[str, float]] = {}
    for part in answering:
        for one in part.found:
            shares.setdefault(one.word, {})[part.model] = part.weight / total * one.probability
    found = [Suggestion(word, sum(share.values())) for word, share in shares.items()]
    found.sort(key=lambda one: -one.probability)
    return Mixture(found, {word: max(share, key=share.__getitem__) for word, share in shares.items()})

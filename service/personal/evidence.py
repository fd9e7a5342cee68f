"""What a user has written so far, as evidence for the next word beside a model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.contract.apostrophes import by_spelling, printed
from service.tasks.next_word import Suggestion

PRIORS = (16.0, 4.0, 4.0)
"""How much the shorter context, and at last the model, weighs for each different word behind no, one and two words before it.

Tried by `benchmarks/personal.py`: of the weights tried, these gain nearly all there is to gain on texts of another kind than the model's,
and cost nothing on its own.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words that a user has written behind a context: the most frequent ones, and all of them added up."""

    counts: Mapping[str, int]
    total: int
    different: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a user here: evidence behind no, one and two words, as far as there is any, and how the words are written."""

    levels: tuple[Evidence, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)


def blended(found: Sequence[Suggestion], levels: Sequence[Evidence], priors: Sequence[float] = PRIORS) -> list[Suggestion]:
    """A model's suggestions with what a user writes, likeliest first; words that only the user knows are among them.

    Witten-Bell interpolation (Witten & Bell 1991, method C) from the model up, of which the words before it are h, nearest first:
    p(w | h) = (c(h w) + b T(h) p(w | h')) / (c(h) + b T(h)), with c the counts, T(h) the number of different words seen behind h, h' one
    word less, and below no word the model's p(w). b, of `priors`, is 1 in the original: there the order below is no better than counts.
    Behind typed letters all of it is of the words that begin with them. What the model did not suggest has probability 0 in it.
    """
    likely = _as_written(found, levels)
    for level, strength in zip(levels, priors, strict=False):
        prior = strength * level.different
        words = dict.fromkeys((*likely, *level.counts))
        likely = {word: (level.counts.get(word, 0) + prior * likely.get(word, 0.0)) / (level.total + prior) for word in words}
    return [Suggestion(word, likely[word]) for word in sorted(likely, key=lambda word: -likely[word])]


def _as_written(found: Sequence[Suggestion], levels: Sequence[Evidence]) -> dict[str, float]:
    """Probabilities of a model's words, with the apostrophe with which the user writes them."""
    words = list(dict.fromkeys(word for level in levels for word in level.counts))
    written, _ = by_spelling(words)
    likely: dict[str, float] = {}
    for one in found:
        number = written.get(printed(one.word))
        word = one.word if number is None else words[number]
        likely[word] = likely.get(word, 0.0) + one.probability
    return likely

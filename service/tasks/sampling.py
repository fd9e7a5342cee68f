"""How the next token is chosen from what the model holds for likely: the likeliest, or drawn from the likelier part, repeating less or not.

What is applied, in this order: repetition penalty, bias, temperature, top-k, top-p. All take and give scores (vocabulary,): natural logs of
probabilities up to a constant, -inf for what is ruled out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.tasks.barred import Barred
from service.tasks.bias import Bias

Scores = NDArray[np.float64]

NOTHING_FINITE = "the graph gives no token that may be written a finite log-probability"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a text is written on, and how far.

    Without `temperature`, or with 0, each token is the likeliest one; `top_k` and `top_p` then change nothing. `stop` strings end the text
    before they appear in it. `end`: the token that ends a sentence may be written, and ends the text. `words`, where tokens may be parts of
    words: the text ends where another word would begin. `alternatives`: those of `Piece` are kept.
    `barred` are words that are not written.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int = 16
    pointer: bool = True
    end: bool = False
    words: int | None = None
    alternatives: bool = True
    bias: Bias | None = None
    barred: Barred | None = None


def choose(scores: Scores, sampling: Sampling, generator: np.random.Generator) -> int:
    """A token by its scores, to which the repetition penalty was applied.

    Raises:
        ArithmeticError: no token has a finite score, or the graph gave NaN.
    """
    if not np.isfinite(scores.max()):
        raise ArithmeticError(NOTHING_FINITE)
    if not sampling.temperature:
        return int(np.argmax(scores))
    return _drawn(nucleus(likeliest(scores / sampling.temperature, sampling.top_k), sampling.top_p), generator)


def penalised(log_probs: Scores, tokens: Collection[int], penalty: float) -> Scores:
    """Log-probabilities with those of `tokens` multiplied by `penalty`, however often each was written (Keskar et al. 2019, CTRL).

    They are never positive, so that over 1 makes a token less likely, under 1 likelier; 1 changes nothing.
    """
    if penalty == 1 or not tokens:
        return log_probs
    scores = log_probs.copy()
    scores[list(tokens)] *= penalty
    return scores


def likeliest(scores: Scores, top_k: int | None) -> Scores:
    """Only the `top_k` highest scores; of equal ones the lower ids."""
    return scores if top_k is None or top_k >= len(scores) else _only(scores, best_first(scores, top_k))


def nucleus(scores: Scores, top_p: float | None) -> Scores:
    """Only the smallest set of tokens whose probabilities sum to `top_p` or more, at least one token (Holtzman et al. 2020)."""
    if top_p is None or top_p >= 1:
        return scores
    chances = probabilities(scores)
    descending = np.sort(chances)[::-1]
    count = min(int(np.searchsorted(np.cumsum(descending), top_p)) + 1, len(scores))
    return _only(scores, _highest(chances, count, lowest=descending[count - 1]))


def best_first(scores: Scores, count: int) -> NDArray[np.intp]:
    """Where the `count` highest scores are, or as many as are not -inf, highest first; of equal ones the lower positions."""
    lowest = np.partition(scores, -count)[-count] if count < len(scores) else -np.inf
    found = _highest(scores, count, lowest=lowest)
    return found[np.argsort(-scores[found], kind="stable")]


def probabilities(scores: Scores) -> Scores:
    """What the scores say, summing to 1."""
    weights = np.exp(scores - scores.max())
    chances: Scores = weights / weights.sum()
    return chances


def log_sum(scores: Scores) -> float:
    """Log of the sum of what these are the logs of."""
    top = scores.max()
    return float(top + np.log(np.exp(scores - top).sum()))


def _drawn(scores: Scores, generator: np.random.Generator) -> int:
    """One token by its probability: the first whose cumulative one is over a uniform number."""
    tokens = np.flatnonzero(scores > -np.inf)
    mass = np.cumsum(probabilities(scores[tokens]))
    return int(tokens[np.searchsorted(mass, generator.random() * mass[-1], side="right")])


def _highest(scores: Scores, count: int, *, lowest: float) -> NDArray[np.intp]:
    """Where the `count` highest scores are that are not -inf, in no order; `lowest` is the last of them, of which the first ones count."""
    above = np.flatnonzero(scores > lowest)
    if lowest == -np.inf:
        return above
    return np.concatenate([above, np.flatnonzero(scores == lowest)[: count - len(above)]])


def _only(scores: Scores, kept: NDArray[np.intp]) -> Scores:
    masked = np.full_like(scores, -np.inf)
    masked[kept] = scores[kept]
    return masked

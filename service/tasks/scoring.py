"""How likely texts are to a model, token by token: what it says of each before it has read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import Manifest
from service.tasks.dialogue import Dialogue
from service.tasks.reading import Reading, advance, read
from service.tasks.sampling import best_first


@dataclass(frozen=True, slots=True)
class Verdict:
    """The log-probability of a token, and of the likeliest ones in its place, likeliest first: ids and log-probabilities."""

    token: int
    log_prob: float
    likeliest: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, log_probs: NDArray[np.floating], token: int, *, likeliest: int) -> Verdict:
        """What log-probabilities (vocabulary,) say of a token.

        Raises:
            ArithmeticError: the graph gave NaN.
        """
        if np.isnan(log_probs[token]):
            raise ArithmeticError("the graph gives a token no log-probability")
        best = best_first(log_probs.astype(np.float64), likeliest).tolist() if likeliest else []
        return cls(token, float(log_probs[token]), tuple((number, float(log_probs[number])) for number in best))


@dataclass(frozen=True, slots=True)
class Scored:
    """A text of which every token was looked at: verdicts on all but its first, and what may follow it."""

    verdicts: Sequence[Verdict]
    reading: Reading


def score(manifest: Manifest, texts: Sequence[Sequence[int]], *, likeliest: int) -> Dialogue[list[Scored]]:
    """Read texts of at least one token each, all of them side by side, a token in a step."""
    beginnings: dict[int, Reading] = {}
    for ids in texts:
        if ids[0] not in beginnings:
            beginnings[ids[0]] = yield from read(manifest, ids[:1])
    readings = [beginnings[ids[0]] for ids in texts]
    verdicts: list[list[Verdict]] = [[] for _ in texts]
    for place in range(1, max(map(len, texts))):
        going = [number for number, ids in enumerate(texts) if place < len(ids)]
        for number in going:
            verdicts[number].append(Verdict.of(readings[number].log_probs, texts[number][place], likeliest=likeliest))
        advanced = yield from advance(manifest, [readings[number] for number in going], [texts[number][place] for number in going])
        for number, reading in zip(going, advanced, strict=True):
            readings[number] = reading
    return [Scored(own, reading) for own, reading in zip(verdicts, readings, strict=True)]

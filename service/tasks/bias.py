"""What a caller adds to the scores of tokens before one is chosen: for or against some of them, and against those that were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bias:
    """`presence` is taken from each token that was written, `frequency` as often as it was; `tokens` has what others get, by their ids."""

    presence: float = 0.0
    frequency: float = 0.0
    tokens: Mapping[int, float] = field(default_factory=dict)

    def most(self, length: int) -> float:
        """What the score of a token may gain by it at most, in a text of this many tokens; 0 where it only takes."""
        own = max(self.tokens.values(), default=0.0)
        return max(own, 0.0) + max(-self.presence, 0.0) + max(-self.frequency, 0.0) * length


def biased(scores: Scores, written: Sequence[int], bias: Bias) -> Scores:
    """Scores (vocabulary,) behind these tokens; what is ruled out stays so.

    The formula is OpenAI's: https://platform.openai.com/docs/api-reference/completions
    """
    leaned = scores.copy()
    tokens, times = np.unique(np.array(written, np.intp), return_counts=True)
    leaned[tokens] -= bias.presence + bias.frequency * times
    for token, value in bias.tokens.items():
        leaned[token] += value
    return leaned

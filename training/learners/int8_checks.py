"""The bounds that a graph in int8 must keep beside the one in fp32 to be published, measured on the data of the scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.contract.int8 import Check
from training.data.windows import WindowBatch
from training.metrics import accuracy, mae, perplexity, pinball

Values = NDArray[np.float32]
Integers = NDArray[np.int64]
LogProbs = NDArray[np.float64]

MOST_RATIO = 1.01
"""How many times larger an error or a perplexity may be."""
MOST_SHIFT = 0.2
"""How far 95% of the numbers of forecasts may move, in mean deviations of their histories."""
LEAST_TOP3_AGREEMENT = 0.99
"""Share of words that both graphs must have among their three best, or neither."""
MOST_ACCURACY_DROP = 0.005
NO_NUMBER = 1e6
"""Stands for what is no number, such as a perplexity that is infinite."""


def forecast_checks(before: Values, after: Values, batches: Sequence[WindowBatch], *, levels: Sequence[float]) -> tuple[Check, ...]:
    """Errors of the median and of all levels, and how far forecasts of the batches' windows (windows, horizon, levels) move."""
    median = list(levels).index(0.5)
    target, actual = (np.concatenate(columns) for columns in zip(*((batch.target, batch.actual) for batch in batches), strict=True))
    moved = np.abs(after - before) / _mean_deviation(target)[:, None, None]
    return (
        _ratio("mae", *(mae(actual, quantiles[..., median]) for quantiles in (before, after))),
        _ratio("pinball", *(pinball(actual, quantiles, levels) for quantiles in (before, after))),
        Check(measure="shift_p95", value=_number(np.quantile(moved, 0.95)), at_most=MOST_SHIFT),
    )


def next_word_checks(before: tuple[LogProbs, Integers], after: tuple[LogProbs, Integers], *, words: NDArray[np.bool_]) -> tuple[Check, ...]:
    """Perplexity over all tokens, and whether the same `words` are found, of log-probabilities and ranks of what follows (tokens,)."""
    perplexities = (perplexity(-float(log_probs.sum()), len(log_probs)) for log_probs, _ in (before, after))
    same = ((before[1] < 3) == (after[1] < 3))[words]
    agreement = float(same.mean()) if same.size else 1.0
    return (_ratio("perplexity", *perplexities), Check(measure="top3_agreement", value=agreement, at_least=LEAST_TOP3_AGREEMENT))


def classify_checks(before: Values, after: Values, *, labels: Integers) -> tuple[Check, ...]:
    """The accuracy that is lost, of probabilities (sequences, labels)."""
    first, second = (accuracy(labels, probabilities.argmax(axis=1)) for probabilities in (before, after))
    return (Check(measure="accuracy_drop", value=first - second, at_most=MOST_ACCURACY_DROP),)


def _ratio(measure: str, before: float, after: float) -> Check:
    value = after / before if before > 0 else 1 + after
    return Check(measure=f"{measure}_ratio", value=_number(value), at_most=MOST_RATIO)


def _number(value: float) -> float:
    return float(value) if np.isfinite(value) else NO_NUMBER


def _mean_deviation(target: Values) -> NDArray[np.float64]:
    """Mean absolute difference of each history from its mean (windows,); of a constant one a small part of its level."""
    observed = ~np.isnan(target)
    count = np.maximum(observed.sum(axis=1), 1)
    filled = np.where(observed, target, 0.0)
    mean = filled.sum(axis=1) / count
    deviation = (np.abs(filled - mean[:, None]) * observed).sum(axis=1) / count
    found: NDArray[np.float64] = np.maximum(deviation, np.maximum(np.abs(mean) * 1e-5, 1e-12))
    return found

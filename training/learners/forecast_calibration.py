"""Where the quantiles of a forecaster must be moved so that they cover what they say, and how its errors hang together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

LEAST_WINDOWS = 20
"""Fewer say too little of how often a quantile is exceeded."""
NEIGHBOURS = 2
"""Steps before and after one that are pooled with it."""


def conformal_offsets(*, actual: Values, quantiles: Values, scale: Values, levels: Sequence[float]) -> Values:
    """What to add to each quantile, in scales of the window: (horizon, levels), 0 for the median.

    Conformalised quantile regression, each level on its own side (Romano, Patterson & Candes 2019, section 4.2): the quantile of the errors
    that it made on windows it has not learned from, with the correction for their number, neighbouring steps pooled. The guarantee is
    for exchangeable windows; overlapping ones, and a future that differs from the past, weaken it.

    actual (windows, horizon) with NaN where unknown, quantiles (windows, horizon, levels), scale (windows, 1).
    """
    horizon = actual.shape[1]
    offsets = np.zeros((horizon, len(levels)), np.float32)
    errors = (actual[..., None] - quantiles) / scale[..., None]  # (windows, horizon, levels)
    for step in range(horizon):
        pooled = errors[:, max(step - NEIGHBOURS, 0) : step + NEIGHBOURS + 1].reshape(-1, len(levels))
        pooled = pooled[~np.isnan(pooled).any(axis=1)]
        windows = np.count_nonzero(~np.isnan(actual[:, step]))
        if windows < LEAST_WINDOWS:
            continue
        for position, level in enumerate(levels):
            if level > 0.5:
                offsets[step, position] = np.quantile(pooled[:, position], min(level * (windows + 1) / windows, 1.0))
            elif level < 0.5:
                offsets[step, position] = np.quantile(pooled[:, position], max(1 - (1 - level) * (windows + 1) / windows, 0.0))
    return offsets


def step_correlation(*, actual: Values, median: Values) -> float | None:
    """Correlation of the errors of neighbouring steps of the same forecast, in [0, 1); None where there are too few to tell.

    Rank correlation (Spearman 1904), turned into that of the normal scores (2 sin(pi r / 6)): errors of series of any size compare.
    actual and median (windows, horizon).
    """
    if actual.shape[1] < 2:
        return None
    errors = actual - median
    first, second = errors[:, :-1], errors[:, 1:]
    both = ~np.isnan(first) & ~np.isnan(second)
    found = []
    for step in range(first.shape[1]):
        seen = both[:, step]
        if np.count_nonzero(seen) < LEAST_WINDOWS:
            continue
        left, right = _ranks(first[seen, step]), _ranks(second[seen, step])
        if left.std() and right.std():
            found.append(float(np.corrcoef(left, right)[0, 1]))
    if not found:
        return None
    return float(np.clip(2 * np.sin(np.pi * np.mean(found) / 6), 0.0, 0.999))


def _ranks(values: Values) -> NDArray[np.float64]:
    """Position of each value among all, equal ones in the order they stand."""
    ranks: NDArray[np.float64] = np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)
    return ranks

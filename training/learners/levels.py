"""Level and spread of columns, for scaling by the training data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def standard_level(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column (rows, columns)."""
    known = np.where(np.isnan(values).all(axis=0), 0.0, values.astype(np.float64))
    return np.nanmean(known, axis=0), _not_zero(np.nanstd(known, axis=0))


def minmax_level(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least value and range of each column (rows, columns)."""
    known = np.where(np.isnan(values).all(axis=0), 0.0, values.astype(np.float64))
    low = np.nanmin(known, axis=0)
    return low, _not_zero(np.nanmax(known, axis=0) - low)


def _not_zero(spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """A spread to divide by: 1 for a column that is constant or all missing."""
    return np.where(spread > 0, spread, 1.0)

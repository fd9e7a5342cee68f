"""Naive forecasts: what a model must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


def last_value(history: Values, horizon: int) -> Values:
    """The last observed value of each row of histories (rows, time), repeated: (rows, horizon); NaN where nothing was observed."""
    return np.repeat(_filled_forward(history)[:, -1:], horizon, axis=1)


def seasonal_naive(history: Values, season: int, horizon: int) -> Values:
    """The value one season before each step, (rows, horizon), from histories (rows, time).

    Where that is missing, one season further back, and so on; where all of them are, the last observed value.
    """
    time = history.shape[1]
    whole = -(-time // season) * season
    padded = np.concatenate([np.full((len(history), whole - time), np.nan, history.dtype), history], axis=1)
    by_season = padded.reshape(len(history), -1, season)  # (rows, seasons, season)
    latest = _filled_forward(by_season.transpose(0, 2, 1).reshape(-1, whole // season))[:, -1].reshape(-1, season)
    complete = np.where(np.isnan(latest), last_value(history, 1), latest)
    return complete[:, np.arange(horizon) % season]


def _filled_forward(rows: Values) -> Values:
    """Rows (rows, time) with each missing value replaced by the last observed before it."""
    latest = np.maximum.accumulate(np.where(np.isnan(rows), 0, np.arange(rows.shape[1])), axis=1)
    return np.take_along_axis(rows, latest, axis=1)

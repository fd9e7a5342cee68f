"""Measures of a model on held-out data, and of the naive baselines beside it. Steps whose actual value is NaN do not count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.baselines import last_value, seasonal_naive

Values = NDArray[np.float32]
Integers = NDArray[np.integer]


def mae(actual: Values, predicted: Values) -> float:
    """Mean absolute error: mean |y - f|."""
    return _mean(np.abs(actual - predicted))


def rmse(actual: Values, predicted: Values) -> float:
    """Root mean squared error: sqrt(mean (y - f)^2)."""
    return float(np.sqrt(_mean(np.square(np.subtract(actual, predicted, dtype=np.float64)))))


def smape(actual: Values, predicted: Values) -> float:
    """Symmetric mean absolute percentage error, 0 to 200: mean 200 |y - f| / (|y| + |f|), 0 where both are 0 (M4 competition)."""
    size = np.abs(actual) + np.abs(predicted)
    return _mean(200 * np.abs(actual - predicted) / np.where(size == 0, 1, size))


def seasonal_scale(history: Values, season: int) -> NDArray[np.float64]:
    """Scale of `mase` for histories (rows, time): mean |y_t - y_(t - season)|, (rows,); NaN where it is 0 or no pair is observed."""
    if season >= history.shape[1]:
        return np.full(len(history), np.nan)
    steps = np.abs(history[:, season:] - history[:, :-season]).astype(np.float64)
    pairs = np.count_nonzero(~np.isnan(steps), axis=1)
    scale: NDArray[np.float64] = np.nansum(steps, axis=1) / np.maximum(pairs, 1)
    return np.where(scale > 0, scale, np.nan)


def mase(actual: Values, predicted: Values, scale: NDArray[np.float64]) -> float:
    """Mean absolute scaled error (Hyndman & Koehler 2006): mean |y - f| / scale, (rows,) from `seasonal_scale`; NaN rows do not count."""
    return _mean(np.abs(actual - predicted) / scale[:, None])


def owa(model: dict[str, float], naive: dict[str, float]) -> float:
    """Overall weighted average of the M4 competition: the mean of the model's smape and mase, each relative to the naive one's."""
    return (model["smape"] / naive["smape"] + model["mase"] / naive["mase"]) / 2


def pinball(actual: Values, quantiles: Values, levels: Sequence[float]) -> float:
    """Pinball loss (Koenker & Bassett 1978), mean of max(q (y - f), (q - 1)(y - f)): actual (..., ), quantiles (..., levels)."""
    error = actual[..., None] - quantiles
    level = np.asarray(levels)
    return _mean(np.maximum(level * error, (level - 1) * error))


def coverage(actual: Values, low: Values, high: Values) -> float:
    """Share of actual values inside [low, high]; an interval between the levels 0.1 and 0.9 should have 0.8."""
    inside = ((actual >= low) & (actual <= high)).astype(np.float64)
    return _mean(np.where(np.isnan(actual), np.nan, inside))


def interval_score(actual: Values, low: Values, high: Values, *, alpha: float) -> float:
    """Winkler's score of the central 1 - alpha interval (Gneiting & Raftery 2007): mean of its width + 2/alpha times what lies outside."""
    outside = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
    return _mean(high - low + 2 / alpha * outside)


def score_forecasts(
    *, target: Values, actual: Values, quantiles: Values, levels: Sequence[float], seasons: Sequence[int]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Measures of a forecaster, mae first, and of `last_value` and `seasonal_naive_<season>` on the same windows.

    target (windows, context), actual (windows, horizon), quantiles (windows, horizon, levels). The scale of mase is that of each window's
    own history at the shortest season (1 where there is none). Measures without a value are left out.
    """
    scale = seasonal_scale(target, seasons[0] if seasons else 1)
    median, low, high = quantiles[..., list(levels).index(0.5)], quantiles[..., 0], quantiles[..., -1]
    model = _point_scores(actual, median, scale)
    model["pinball"] = pinball(actual, quantiles, levels)
    if len(levels) > 1:
        model[f"coverage_{levels[0]:g}_{levels[-1]:g}"] = coverage(actual, low, high)
        if np.isclose(levels[0] + levels[-1], 1):
            model["interval_score"] = interval_score(actual, low, high, alpha=2 * levels[0])
    horizon = actual.shape[1]
    naive = {"last_value": last_value(target, horizon)}
    naive |= {f"seasonal_naive_{season}": seasonal_naive(target, season, horizon) for season in seasons if season <= target.shape[1]}
    baselines = {name: _with_value(_point_scores(actual, predicted, scale)) for name, predicted in naive.items()}
    return _with_value(model), baselines


def accuracy(labels: Integers, predicted: Integers) -> float:
    """Share of labels that were predicted."""
    return float(np.mean(labels == predicted))


def confusion_matrix(labels: Integers, predicted: Integers, classes: int) -> NDArray[np.int64]:
    """How often label i (row) was predicted as j (column), (classes, classes)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def top_k_accuracy(ranks: Integers, k: int) -> float:
    """Share of answers whose rank among all, 0 the best, is below `k`; 0 where there is no answer."""
    return float(np.mean(ranks < k)) if ranks.size else 0.0


def perplexity(nll: float, count: int) -> float:
    """exp(nll / count), where `nll` sums the negative natural log-likelihood of `count` tokens; infinite on overflow."""
    with np.errstate(over="ignore"):
        return float(np.exp(np.float64(nll) / count))


def _point_scores(actual: Values, predicted: Values, scale: NDArray[np.float64]) -> dict[str, float]:
    return {
        "mae": mae(actual, predicted),
        "rmse": rmse(actual, predicted),
        "smape": smape(actual, predicted),
        "mase": mase(actual, predicted, scale),
    }


def _with_value(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if np.isfinite(value)}


def _mean(values: NDArray[np.floating]) -> float:
    """Mean of what is not NaN, in double precision; NaN where there is nothing."""
    seen = values[~np.isnan(values)]
    return float(np.mean(seen, dtype=np.float64)) if seen.size else float("nan")

"""What a model is held against: naive forecasts, and AutoTheta and AutoETS of statsforecast where that is installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.baselines import last_value, seasonal_naive

Values = NDArray[np.float32]

MOST_HISTORY = 1_000
"""Steps of history that AutoTheta and AutoETS see, at the most: they take seconds for each window beyond it."""


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Of every window: `point` (windows, horizon), and `quantiles` (windows, horizon, levels) of what gives such."""

    point: Values
    quantiles: Values | None = None


class StatisticalModel(Protocol):
    """What is fitted to one history alone."""

    def forecast(self, y: NDArray[np.float64], h: int, level: list[int | float] | None) -> dict[str, NDArray[np.float64]]:
        """`mean`, and `lo-80` and `hi-80` for a level of 80, each (h,)."""


def naive_forecasts(histories: Sequence[Values], *, seasons: Sequence[int], horizon: int) -> dict[str, Forecasts]:
    """`last_value`, and `seasonal_naive_<season>` for each season, of histories (time,) of any lengths."""

    def of_all(forecast: Callable[[Values], Values]) -> Forecasts:
        return Forecasts(np.concatenate([forecast(history[None]) for history in histories]))

    found = {"last_value": of_all(partial(last_value, horizon=horizon))}
    for season in seasons:
        found[f"seasonal_naive_{season}"] = of_all(partial(seasonal_naive, season=season, horizon=horizon))
    return found


def statistical_models(season: int) -> dict[str, StatisticalModel]:
    """AutoTheta and AutoETS of statsforecast, by the season in steps (1: none); nothing where that is not installed."""
    if find_spec("statsforecast") is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the syntax of its docstrings, when they are compiled
        from statsforecast.models import AutoETS, AutoTheta

    return {"auto_theta": AutoTheta(season_length=season), "auto_ets": AutoETS(season_length=season)}


def statistical_forecasts(
    model: StatisticalModel,
    histories: Sequence[Values],
    *,
    levels: Sequence[float],
    instead: Values,
    on_window: Callable[[], None] = lambda: None,
) -> tuple[Forecasts, int]:
    """What a model fitted to each history forecasts, and of how many windows it could not.

    There `instead` (windows, horizon) stands, with no interval around it.
    """
    quantiles = np.repeat(instead[..., None], len(levels), axis=-1)  # (windows, horizon, levels)
    failed = 0
    for number, history in enumerate(histories):
        found = _quantiles(model, history[-MOST_HISTORY:], horizon=instead.shape[1], levels=levels)
        if found is None:
            failed += 1
        else:
            quantiles[number] = found
        on_window()
    return Forecasts(quantiles[..., list(levels).index(0.5)], quantiles), failed


def _quantiles(model: StatisticalModel, history: Values, *, horizon: int, levels: Sequence[float]) -> Values | None:
    """(horizon, levels); none where the model cannot be fitted, or its forecasts are no numbers."""
    names = [_interval(level) for level in levels]
    intervals = sorted({interval for _, interval in names if interval})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of seasons that a model leaves out, and of numbers that it divides by on its way
            answer = model.forecast(_complete(history), horizon, level=intervals or None)
    except Exception:  # short, constant and odd histories end in errors of many classes; it is counted and said
        return None
    columns = [answer[f"{side}-{interval}"] if interval else answer["mean"] for side, interval in names]
    found = np.stack(columns, axis=-1).astype(np.float32)
    return found if np.isfinite(found).all() else None


def _interval(level: float) -> tuple[str, int | float]:
    """The side and the width in percent of the interval that ends at a level: 0.1 -> lo-80; 0 wide at the median."""
    width = round(abs(2 * level - 1) * 100, 6)
    return "lo" if level < 0.5 else "hi", int(width) if width == int(width) else width


def _complete(history: Values) -> NDArray[np.float64]:
    """A history with its missing values drawn in straight lines."""
    steps = np.arange(len(history))
    observed = ~np.isnan(history)
    return np.interp(steps, steps[observed], history[observed].astype(np.float64))

"""How good forecasts are: the M4 competition's measures, the coverage of two intervals, and what the intervals cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.forecasting.datasets import SEASON, Questions
from training.metrics import coverage, interval_score, mase, seasonal_scale, smape

NAIVE2 = (18.383, 2.395)
"""sMAPE and MASE of Naive2 on M4 Hourly, to which OWA is relative (Makridakis et al. 2020)."""
Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Points (rows, horizon), and intervals where there are any: (rows, horizon, 4) as low 80, high 80, low 95, high 95."""

    point: Values
    intervals: Values | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Measures; NaN where there is nothing to measure."""

    smape: float
    mase: float
    owa: float
    coverage_80: float = np.nan
    coverage_95: float = np.nan
    interval_score: float = np.nan
    """Mean interval score at 80%, in units of the seasonal naive's error."""


def measured(questions: Questions, forecasts: Forecasts) -> Figures:
    """Measures of forecasts; OWA is relative to Naive2 of M4 Hourly and says nothing of other data."""
    scale = seasonal_scale(questions.history, SEASON)
    error, scaled = smape(questions.actual, forecasts.point), mase(questions.actual, forecasts.point, scale)
    figures = (error, scaled, (error / NAIVE2[0] + scaled / NAIVE2[1]) / 2)
    if forecasts.intervals is None:
        return Figures(*figures)
    low_80, high_80, low_95, high_95 = np.moveaxis(forecasts.intervals, -1, 0)
    unit = scale[:, None]
    return Figures(
        *figures,
        coverage_80=coverage(questions.actual, low_80, high_80),
        coverage_95=coverage(questions.actual, low_95, high_95),
        interval_score=interval_score(questions.actual / unit, low_80 / unit, high_80 / unit, alpha=0.2),
    )


def from_quantiles(quantiles: Values) -> Forecasts:
    """Forecasts of the levels 0.025, 0.1, 0.5, 0.9, 0.975 (rows, horizon, levels)."""
    return Forecasts(quantiles[..., 2], quantiles[..., [1, 3, 0, 4]])

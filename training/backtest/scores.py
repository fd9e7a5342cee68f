"""Measures of every forecaster on the same windows, over all and series by series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from service.contract.backtest_scores import BacktestScores, SeenBefore
from service.contract.manifest import Json
from training.backtest.origins import Seen
from training.backtest.rivals import Forecasts
from training.metrics import coverage, mae, mase, pinball, rmse, smape

Values = NDArray[np.float32]
Scales = NDArray[np.float64]
Measures = dict[str, float]

MODEL = "model"
"""How the model itself is called among the forecasters."""


@dataclass(frozen=True, slots=True)
class SeriesScores:
    """Measures of one series' windows, by forecaster."""

    id: str | None
    windows: int
    scores: dict[str, Measures]


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest found. `windows` of all series together, `asked` of each; `failed` says of how many windows a rival could not."""

    model: str
    version: int
    source: str
    sha256: str
    horizon: int
    asked: int
    windows: int
    absent: int
    seen: Seen | None
    scores: dict[str, Measures]
    failed: dict[str, int]
    series: tuple[SeriesScores, ...]

    def worst(self, most: int) -> list[SeriesScores]:
        """The series with the largest errors of the model, in units of the seasonal naive error of their own history, largest first."""
        return sorted(self.series, key=lambda one: -one.scores[MODEL].get("mase", -1.0))[:most]

    def to_json(self) -> Json:
        """All of it."""
        return asdict(self)

    def for_card(self, *, graph_sha256: str) -> BacktestScores:
        """What the card of the model shows: all but the single series."""
        return BacktestScores(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            graph_sha256=graph_sha256,
            source=self.source,
            sha256=self.sha256,
            horizon=self.horizon,
            windows=self.windows,
            absent=self.absent,
            seen=SeenBefore(**asdict(self.seen)) if self.seen else None,
            scores=self.scores,
            failed=self.failed,
        )


def measure(forecasts: Forecasts, *, actual: Values, scale: Scales, levels: Sequence[float]) -> Measures:
    """Errors of the point forecasts, and of the quantiles where there are such; `scale` (windows,) is that of mase.

    Measures without a value, such as mase where every history is constant, are left out.
    """
    found = {
        "mae": mae(actual, forecasts.point),
        "rmse": rmse(actual, forecasts.point),
        "smape": smape(actual, forecasts.point),
        "mase": mase(actual, forecasts.point, scale),
    }
    if forecasts.quantiles is not None:
        found["pinball"] = pinball(actual, forecasts.quantiles, levels)
        if len(levels) > 1:
            low, high = forecasts.quantiles[..., 0], forecasts.quantiles[..., -1]
            found[f"coverage_{levels[0]:g}_{levels[-1]:g}"] = coverage(actual, low, high)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def measure_series(
    forecasts: dict[str, Forecasts],
    *,
    actual: Values,
    scale: Scales,
    levels: Sequence[float],
    series: NDArray[np.int64],
    ids: Sequence[str | None],
) -> tuple[SeriesScores, ...]:
    """The same of each series; `series` (windows,) is the number of each window's, those of a series together."""
    numbers, first = np.unique(series, return_index=True)
    ends = [*first[1:].tolist(), len(series)]
    found = []
    for number, begin, end in zip(numbers.tolist(), first.tolist(), ends, strict=True):
        rows = slice(begin, end)
        scores = {name: measure(_rows(one, rows), actual=actual[rows], scale=scale[rows], levels=levels) for name, one in forecasts.items()}
        found.append(SeriesScores(ids[number], end - begin, scores))
    return tuple(found)


def _rows(forecasts: Forecasts, rows: slice) -> Forecasts:
    return Forecasts(forecasts.point[rows], None if forecasts.quantiles is None else forecasts.quantiles[rows])

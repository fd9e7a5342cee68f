"""A forecaster whose errors are known: normal, and correlated from step to step as an AR(1)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import converse
from service.tasks.forecast import Extras, Forecast, History, forecast

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Gaussian:
    """Step t of every series is normal with `mean[t]` and `deviation[t]`; `run` stands for its graph."""

    task: ForecastTask
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def run(self, inputs: Tensors) -> Tensors:
        scores = np.array([NormalDist().inv_cdf(level) for level in self.task.quantiles])
        quantiles = self.mean[:, None] + self.deviation[:, None] * scores  # (horizon, levels)
        return {"quantiles": np.repeat(quantiles[None].astype(np.float32), len(inputs["target"]), axis=0)}

    def ask(
        self, *histories: History, horizon: int | None = None, quantiles: list[float] | None = None, **extras: object
    ) -> list[Forecast]:
        asked = forecast(self.task, histories or (FLAT,), horizon=horizon, quantiles=quantiles, extras=Extras(**extras))
        return converse(asked, self.run)


FLAT = History(np.zeros(4, np.float32))


def gaussian(horizon: int = 24, *, levels: tuple[float, ...] = LEVELS, correlation: float | None = 0.8, **task: object) -> Gaussian:
    """Means and deviations that rise from step to step."""
    return Gaussian(
        ForecastTask(
            target="load",
            horizon=horizon,
            context=4,
            min_context=1,
            frequency="h",
            quantiles=levels,
            step_correlation=correlation,
            **task,
        ),
        mean=10 + np.arange(horizon) / 4,
        deviation=1 + np.arange(horizon) / 12,
    )

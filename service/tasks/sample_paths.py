"""Sample paths: possible futures of a series, drawn step by step from its quantiles, with the steps of a path in keeping with each other.

A Gaussian copula over the horizon, as Pinson, Madsen, Nielsen, Papaefthymiou & Klockl (2009, Wind Energy 12, 51-62) make scenarios of
quantile forecasts: normal scores that are correlated from step to step are read as quantile levels, each of its own step's distribution.
The correlation is that of an AR(1): its one number is measured when the model is trained, and distant steps correlate the less the
further they are apart.

A distribution is linear in the normal score between trained levels, as `levels` has it, and goes on beyond the outermost ones with the
slope of the last piece: what lies there is extrapolated, not learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError
from service.tasks.history import LARGEST, Values
from service.tasks.levels import normal_scores

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Draws:
    """Standard normal scores (count, steps), and the place of each one's piece in a flattened table (levels - 1, steps) of pieces."""

    scores: Scores
    pieces: NDArray[np.intp]

    @classmethod
    def of(cls, task: ForecastTask, scores: Scores) -> Draws:
        """Find the pieces: the last one whose lower level a score is not below, the first one for what is below all."""
        inner = normal_scores(task.quantiles)[1:-1]
        place = np.zeros(scores.shape, np.intp)
        for knot in inner:
            place += scores >= knot
        return cls(scores, place * scores.shape[1] + np.arange(scores.shape[1]))


def step_correlation(task: ForecastTask, asked: float | None, *, steps: int) -> float:
    """Correlation of neighbouring steps of a horizon of so many: the one asked for, or the one measured in training.

    Raises:
        QuestionError: there is neither, or the model gives its median alone.
    """
    if len(task.quantiles) < 2:
        raise QuestionError("this model gives its median alone: paths need a model of at least two quantiles")
    if steps == 1:
        return 0.0  # nothing to correlate
    correlation = task.step_correlation if asked is None else asked
    if correlation is None:
        raise QuestionError(
            "this model was published without the correlation of its errors from step to step: send it as `step_correlation`, "
            "or train the model again",
            where=("step_correlation",),
        )
    return correlation


def draw(task: ForecastTask, count: int, steps: int, *, correlation: float, generator: np.random.Generator) -> Draws:
    """Scores of `count` paths, of which neighbouring steps correlate (0 <= correlation < 1): a stationary AR(1)."""
    scores = generator.standard_normal((steps, count))
    fresh = sqrt(1 - correlation**2)
    for step in range(1, steps):
        scores[step] = correlation * scores[step - 1] + fresh * scores[step]
    return Draws.of(task, scores.T.copy())


def paths_of(task: ForecastTask, quantiles: Values, draws: Draws) -> Values:
    """Paths (count, steps) in the units of the series whose `quantiles` are (levels, steps).

    Raises:
        QuestionError: a path leaves the range of a 32-bit float.
    """
    knots = np.array(normal_scores(task.quantiles))[:, np.newaxis]  # (levels, 1)
    table = quantiles.astype(np.float64)
    slopes = np.diff(table, axis=0) / np.diff(knots, axis=0)  # (levels - 1, steps)
    origins = table[:-1] - slopes * knots[:-1]
    paths = np.take(slopes, draws.pieces) * draws.scores + np.take(origins, draws.pieces)
    if task.lower is not None:
        paths = np.maximum(paths, task.lower)
    if max(paths.max(), -paths.min()) > LARGEST:
        raise QuestionError("a sample path leaves the range of a 32-bit float: send values nearer to those the model was trained on")
    found: Values = (np.rint(paths) + 0.0 if task.integer else paths).astype(np.float32)
    return found

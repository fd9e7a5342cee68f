"""Explanations: which inputs moved a forecast, found by occlusion.

One input after another is set missing, which the graph reads as its usual level, and the forecast compared with what it was (Zeiler &
Fergus 2014, arXiv:1311.2901, did so with parts of an image). What two inputs say alike neither moves alone: effects do not add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.contract.static_column import UNKNOWN
from service.tasks.dialogue import Dialogue, QuestionError, Step
from service.tasks.forecast_inputs import encode
from service.tasks.history import History, Values
from service.tasks.target_kind import clipped

SEGMENTS = 10
"""Parts that the history is cut into."""
MOST_ROWS = 1_000
"""Forecasts of one question, the occluded ones included."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an input does to the point forecast, in units of the series, over the horizon.

    `effect` is the mean of the absolute changes, `change` of the signed ones: above 0 where the input raises the forecast. Both are NaN
    where the model gives no number without it.
    """

    effect: float
    change: float


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps of a history, counted back from its end: `from_step` to before `to_step`, where the forecast begins at 0."""

    from_step: int
    to_step: int
    effect: Effect


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one forecast, what moves it most first; of a covariate its past and what is known of it ahead count together.

    Among `covariates` are static columns, too, compared with an unknown category.
    """

    covariates: dict[str, Effect]
    history: list[Segment]


def explain(task: ForecastTask, histories: Sequence[History], *, horizon: int | None = None) -> Dialogue[list[Explanation]]:
    """What moves the forecast of each history over `horizon` steps, or as many of them as the model was trained for: one run of the graph.

    Raises:
        QuestionError: at once, too many histories; from the dialogue, what `encode` raises.
    """
    covariates = tuple(dict.fromkeys((*task.past, *task.known, *(column.name for column in task.static))))
    most = max(MOST_ROWS // (1 + len(covariates) + SEGMENTS), 1)
    if len(histories) > most:
        raise QuestionError(f"{len(histories)} series: this model explains at most {most} in one request", where=("explain",))
    return _explained(task, histories, covariates, steps=min(horizon or task.horizon, task.horizon))


def _explained(task: ForecastTask, histories: Sequence[History], covariates: tuple[str, ...], *, steps: int) -> Dialogue[list[Explanation]]:
    if not histories:
        return []
    inputs = encode(task, [_within(task, history) for history in histories], horizon=steps)
    edges = [_edges(task, history) for history in histories]
    counts = [len(covariates) + len(own) for own in edges]  # the whole, each covariate and a segment between two edges
    outputs = yield Step(_occluded(task, inputs, covariates, edges, counts))
    medians = clipped(task, outputs["quantiles"][:, :steps, task.quantiles.index(0.5)])  # (rows, steps)
    parts = np.split(medians, np.cumsum(counts)[:-1])
    return [_explanation(covariates, own, _effects(part)) for own, part in zip(edges, parts, strict=True)]


def _within(task: ForecastTask, history: History) -> History:
    """The history, with what is known ahead no further than the model was trained for."""
    end = len(history.values) + task.horizon
    return replace(history, future={name: values[:end] for name, values in history.future.items()})


def _edges(task: ForecastTask, history: History) -> list[int]:
    """Where segments of the history that the graph sees begin, and 0 where the last one ends; 0 alone where there is nothing to cut."""
    length = min(len(history.values), task.context)
    segments = min(SEGMENTS, length)
    if segments < 2:
        return [0]
    return [-length + length * number // segments for number in range(segments + 1)]


def _occluded(
    task: ForecastTask, inputs: Tensors, covariates: tuple[str, ...], edges: Sequence[Sequence[int]], counts: Sequence[int]
) -> Tensors:
    """Rows of each series: as it is, without each covariate, without each segment of its history."""
    rows = {name: np.repeat(array, counts, axis=0) for name, array in inputs.items()}
    begins = np.cumsum([0, *counts[:-1]])
    static = [column.name for column in task.static]
    for number, name in enumerate(covariates, start=1):
        if name in static:
            rows["static"][begins + number, static.index(name)] = UNKNOWN
        for tensor, columns in (("past", task.past), ("future", task.known)):
            if name in columns:
                rows[tensor][begins + number, :, columns.index(name)] = np.nan
    for begin, own in zip(begins.tolist(), edges, strict=True):
        for number, (left, right) in enumerate(pairwise(own), start=1 + len(covariates)):
            rows["target"][begin + number, task.context + left : task.context + right] = np.nan
    return rows


def _effects(medians: Values) -> list[Effect]:
    """What each row (rows, steps) but the first, which is the forecast itself, takes from it."""
    changes = medians[:1].astype(np.float64) - medians[1:]
    changes[~np.isfinite(changes)] = np.nan
    absolute, signed = np.abs(changes).mean(axis=1), changes.mean(axis=1)
    return [Effect(effect, change) for effect, change in zip(absolute.tolist(), signed.tolist(), strict=True)]


def _explanation(covariates: tuple[str, ...], edges: Sequence[int], effects: Sequence[Effect]) -> Explanation:
    of_covariates, of_segments = effects[: len(covariates)], effects[len(covariates) :]
    named = sorted(zip(covariates, of_covariates, strict=True), key=lambda one: _rank(one[1]))
    segments = [Segment(*ends, effect) for ends, effect in zip(pairwise(edges), of_segments, strict=True)]
    return Explanation(dict(named), sorted(segments, key=lambda segment: _rank(segment.effect)))


def _rank(effect: Effect) -> float:
    """Largest first, none last."""
    return 1.0 if np.isnan(effect.effect) else -effect.effect

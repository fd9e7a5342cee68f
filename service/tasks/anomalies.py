"""Anomalies: observations outside the interval that the model gave for them before it saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ForecastTask
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.history import History, Values
from service.tasks.levels import Central, asked_intervals, asked_levels, widest
from service.tasks.origins import Origins, Places, forecasts_from, origins_over
from service.tasks.target_kind import clipped, rounded
from service.tasks.timestamps import iso_times

USUAL_PERCENT = 95.0
"""Of the interval where none is asked for and the model is trained for one as wide."""

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """The steps of one series from `first_step` on, counted from 0; each array is (steps,).

    `point`, `low`, `high` and `score` are NaN where too little is known before a step, `values` and `score` where its value is missing.
    `score` is the distance from the point in half-intervals of that side, below it negative: an `anomaly` is further off than 1.
    """

    id: str | None
    first_step: int
    timestamps: list[str] | None
    values: Values
    point: Values
    low: Values
    high: Values
    score: Scores
    anomaly: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Anomalies:
    """The answer: `percent` of the interval that observations were held against, and the series in their order."""

    percent: float
    series: list[Judged]


def anomalies(
    task: ForecastTask,
    histories: Sequence[History],
    *,
    percent: float | None = None,
    ahead: int = 1,
    last: int | None = None,
    forget_beyond: float | None = None,
) -> Dialogue[Anomalies]:
    """Hold the `last` steps of each history, or all, against the central interval of forecasts made every `ahead` steps.

    Each step is forecast once, 1 to `ahead` steps before it, from what was before the forecast and nothing else. What calm series have
    outside of the interval is a share of 100 - `percent`. A spike is part of what later forecasts see, and may echo a season later: with
    `forget_beyond` all are made again, observations that were so many half-intervals off counting as missing.

    Raises:
        QuestionError: the model has no such interval, `ahead` is beyond its horizon, or what `origins_over` and `forecasts_from` raise.
    """
    if not 1 <= ahead <= task.horizon:
        raise QuestionError(f"ahead {ahead}: this model forecasts 1 to {task.horizon} steps", where=("ahead",))
    interval = _interval(task, percent)
    if not histories:
        return Anomalies(interval.percent, [])
    origins = origins_over(task, histories, ahead=ahead, last=last)
    quantiles = yield from forecasts_from(task, histories, origins, ahead=ahead)  # (steps, levels)
    judged = _judged(task, histories, origins, quantiles, interval)
    if forget_beyond is not None:
        calm = [_without(history, one, forget_beyond) for history, one in zip(histories, judged, strict=True)]
        quantiles = yield from forecasts_from(task, calm, origins, ahead=ahead)
        judged = _judged(task, histories, origins, quantiles, interval)
    return Anomalies(interval.percent, judged)


def scores(values: Values, point: Values, low: Values, high: Values) -> Scores:
    """Signed distances of values from the point, in half-intervals of the side that each is on; NaN where something is missing.

    A half-interval counts as no less than the smallest difference that 32-bit floats of that size can tell.
    """
    value, middle = values.astype(np.float64), point.astype(np.float64)
    distance = value - middle
    half = np.where(distance < 0, middle - low, high - middle)
    half = np.maximum(half, np.finfo(np.float32).eps * np.maximum(np.abs(value), np.abs(middle)))
    return np.divide(distance, half, out=distance.copy(), where=half > 0)


def _interval(task: ForecastTask, percent: float | None) -> Central:
    levels = task.quantiles
    most = widest(levels)
    if most <= 0:
        message = "this model's quantiles do not lie on both sides of its median: ask one that gives intervals"
        raise QuestionError(message, where=("level",))
    try:
        [interval] = asked_intervals(levels, [min(USUAL_PERCENT, most) if percent is None else percent])
    except QuestionError as error:
        raise QuestionError(error.message, where=("level",)) from error
    return interval


def _judged(task: ForecastTask, histories: Sequence[History], origins: Origins, quantiles: Values, interval: Central) -> list[Judged]:
    """Each history, of whose steps that are looked at these are the quantiles (steps, levels)."""
    ends = np.cumsum(np.bincount(origins.owners, minlength=len(histories)))[:-1]
    parts = zip(histories, np.split(origins.looked_at, ends), np.split(quantiles, ends), strict=True)
    return [_judged_alone(task, history, places, rows.T, interval) for history, places, rows in parts]


def _judged_alone(task: ForecastTask, history: History, places: Places, quantiles: Values, interval: Central) -> Judged:
    """The history whose steps at `places` (steps,), rising, have these quantiles (levels, steps)."""
    table = clipped(task, quantiles)
    [median] = asked_levels(task.quantiles, [0.5])
    first = int(places[0])
    values = history.values[first:]
    point, low, high = (
        _spread(rounded(task, level.of(table), level=level.value), places - first, length=len(values))
        for level in (median, interval.low, interval.high)
    )
    score = scores(values, point, low, high)
    times = None
    if history.start is not None:
        times = iso_times(task.clock, task.clock.frequency.span(history.start, len(history.values))[first:], history.offset)
    return Judged(history.id, first, times, values, point, low, high, score, np.abs(score) > 1)


def _spread(found: Values, places: Places, *, length: int) -> Values:
    spread = np.full(length, np.nan, np.float32)
    spread[places] = found
    return spread


def _without(history: History, judged: Judged, beyond: float) -> History:
    """The history, values missing whose scores are beyond."""
    values = history.values.copy()
    values[judged.first_step :][np.abs(judged.score) > beyond] = np.nan
    return replace(history, values=values)

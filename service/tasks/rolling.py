"""Forecasts beyond the horizon that a model was trained for: block after block, each from the medians of those before it.

A block is forecast as if the medians before it had come true, so its own intervals know nothing of the errors made until then. To each
level's distance from the median is therefore added, in quadrature, the distance at which the block before it ended: variances add up where
increments are independent, as in a random walk, whose intervals grow so (Hyndman & Athanasopoulos, Forecasting: Principles and Practice,
3rd ed., 5.5). And no level lies nearer to the median than at an earlier step, since what is further away is not known better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from service.contract.manifest import ForecastTask
from service.tasks.dialogue import Dialogue, QuestionError, Step, Where
from service.tasks.forecast_inputs import check_future, encode
from service.tasks.history import History, Values
from service.tasks.target_kind import clipped

MOST_BLOCKS = 10
"""Trained horizons that a forecast may span."""


def block(task: ForecastTask, histories: Sequence[History], *, horizon: int) -> Dialogue[Values]:
    """Quantiles (series, horizon, levels) of at most the horizon that the model was trained for: one run of the graph.

    Raises:
        QuestionError: a history that the model cannot read, or a forecast that is no number.
    """
    outputs = yield Step(encode(task, histories, horizon=horizon))
    return _finite(outputs["quantiles"][:, :horizon])


def rolled(task: ForecastTask, histories: Sequence[History], *, horizon: int) -> Dialogue[Values]:
    """Quantiles (series, horizon, levels) of any horizon: as many runs of the graph as it takes.

    Raises:
        QuestionError: what `block` raises, or future covariates that do not reach as far.
    """
    for position, history in enumerate(histories):
        check_future(task, history, horizon=horizon, where=("series", position))
    median = task.quantiles.index(0.5)
    rows = np.empty((len(histories), 0, len(task.quantiles)), np.float32)
    while (done := rows.shape[1]) < horizon:
        steps = min(horizon - done, task.horizon)
        medians = clipped(task, rows[..., median])  # (series, done)
        seen = [_after(history, own, steps=steps) for history, own in zip(histories, medians, strict=True)]
        fresh = yield from block(task, seen, horizon=steps)
        rows = np.concatenate([rows, _finite(widened(fresh, rows, median=median)) if done else fresh], axis=1)
    return rows


def widened(fresh: Values, before: Values, *, median: int) -> Values:
    """Quantiles (series, steps, levels) of a block, with what was unknown at the end of the blocks `before` it (series, any, levels)."""
    middle = fresh[..., median : median + 1].astype(np.float64)
    earlier = np.abs(before - before[..., median : median + 1].astype(np.float64))  # distances from the median
    own = fresh - middle
    size = np.sqrt(own**2 + earlier[:, -1:] ** 2)
    size = np.maximum(np.maximum.accumulate(size, axis=1), earlier.max(axis=1, keepdims=True))
    side = np.sign(np.arange(fresh.shape[-1]) - median)
    with np.errstate(over="ignore"):  # what is beyond a float is refused by who calls
        wide: Values = (middle + side * size).astype(np.float32)
    return wide


def no_number(where: Where) -> QuestionError:
    """The error of a forecast that is none."""
    remedy = "send values nearer to those the model was trained on, and covariates without gaps"
    return QuestionError(f"the forecast is no number, or beyond the range of a 32-bit float: {remedy}", where=where)


def _finite(rows: Values) -> Values:
    if not np.isfinite(rows).all():
        position = int(np.isfinite(rows).all(axis=(1, 2)).argmin())
        raise no_number(("series", position))
    return rows


def _after(history: History, medians: Values, *, steps: int) -> History:
    """The history as if `medians` had followed it: what else was observed then is missing, what is known ahead ends after `steps` more."""
    missing = np.full(len(medians), np.nan, np.float32)
    end = len(history.values) + len(medians) + steps
    return replace(
        history,
        values=np.concatenate([history.values, medians]),
        past={name: np.concatenate([values, missing]) for name, values in history.past.items()},
        future={name: values[:end] for name, values in history.future.items()},
    )

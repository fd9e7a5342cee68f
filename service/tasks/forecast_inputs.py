"""Histories -> the inputs of a forecaster's graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from service.contract.frequency import Times
from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, Where
from service.tasks.history import History, Values


def encode(task: ForecastTask, histories: Sequence[History], *, horizon: int) -> Tensors:
    """Graph inputs of histories, one row each: the last `context` steps, padded on the left with NaN where a history is shorter.

    Raises:
        QuestionError: too short a history, a covariate missing, unknown or of the wrong length, a static column missing or unknown.
    """
    rows = [_row(task, history, horizon, ("series", position)) for position, history in enumerate(histories)]
    if len(rows) == 1:  # the usual case, without a copy
        return {name: array[np.newaxis] for name, array in rows[0].items()}
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def check_future(task: ForecastTask, history: History, *, horizon: int, where: Where) -> None:
    """Each future covariate that is there must cover the history and `horizon`, or whatever more the model was trained for.

    Raises:
        QuestionError: one that does not.
    """
    time = len(history.values)
    lengths = (time + horizon, time + max(horizon, task.horizon))
    for name in task.future:
        if name in history.future and len(history.future[name]) not in lengths:
            wrong = f"{len(history.future[name])} values of {name!r}"
            raise QuestionError(
                f"{wrong}: send {lengths[0]}, {time} over the history and {horizon} over the horizon", where=(*where, "future", name)
            )


def _row(task: ForecastTask, history: History, horizon: int, where: Where) -> Tensors:
    target = _last(history.values, task.context)  # (context,)
    observed = task.context - int(np.count_nonzero(np.isnan(target)))
    if observed < task.min_context:
        raise QuestionError(
            f"{observed} observed values in the last {task.context}: this model needs at least {task.min_context}", where=(*where, "values")
        )
    _check_names(task.past, history.past, (*where, "past"), other=("future", task.future))
    _check_names(task.future, history.future, (*where, "future"), other=("past", task.past))
    row: Tensors = {"target": target}
    if task.past:
        row["past"] = np.array([_past_column(task, history, name, where) for name in task.past]).T  # (context, past)
    if task.known:
        row["future"] = _known(task, history, horizon, where)  # (context + horizon, known)
    if task.static or history.static:
        _check_names(tuple(column.name for column in task.static), history.static, (*where, "static"), what="static column")
        row["static"] = np.array([column.code(history.static[column.name]) for column in task.static], np.int64)
    return row


def _check_names(
    wanted: tuple[str, ...],
    given: Collection[str],
    where: Where,
    *,
    what: str = "covariate",
    other: tuple[str, tuple[str, ...]] = ("", ()),
) -> None:
    """`other` is a field that names may have been meant for, and its names."""
    missing = [name for name in wanted if name not in given]
    if missing:
        raise QuestionError(f"{what} {missing[0]!r} is missing: this model takes {', '.join(wanted)} here", where=where)
    for name in given:
        if name not in wanted:
            moved = f", and {name!r} in `{other[0]}`" if name in other[1] else ""
            raise QuestionError(
                f"unknown {what} {name!r}: this model takes {', '.join(wanted) or 'none'} here{moved}", where=(*where, name)
            )


def _past_column(task: ForecastTask, history: History, name: str, where: Where) -> Values:
    values = history.past[name]
    if len(values) != len(history.values):
        raise QuestionError(
            f"{len(values)} values of {name!r} beside {len(history.values)} of the series: send one for each", where=(*where, "past", name)
        )
    return _last(values, task.context)


def _known(task: ForecastTask, history: History, horizon: int, where: Where) -> Values:
    """Columns known ahead (context + horizon, known): those sent, missing beyond the `horizon` asked for, then those of the calendar."""
    check_future(task, history, horizon=horizon, where=where)
    ahead = len(history.values) + horizon
    length = task.context + task.horizon
    table = np.full((length, len(task.known)), np.nan, np.float32)
    sent = min(ahead, task.context + horizon)
    for place, name in enumerate(task.future):
        table[task.context + horizon - sent : task.context + horizon, place] = history.future[name][ahead - sent : ahead]
    if task.calendar:
        derived = task.clock.features(_grid(task, history, where), task.calendar)
        table[length - len(derived) :, len(task.future) :] = derived
    return table


def _grid(task: ForecastTask, history: History, where: Where) -> Times:
    """Times of the steps that the graph sees, at most context + horizon of them."""
    if history.start is None:
        raise QuestionError("this model uses the calendar: send `start` or `timestamps` with the series", where=(*where, "start"))
    times = task.clock.frequency.span(history.start, len(history.values) + task.horizon)
    return times[-(task.context + task.horizon) :]


def _last(values: Values, length: int) -> Values:
    """The last `length` values, padded on the left with NaN."""
    if len(values) >= length:
        return values[-length:]
    return np.concatenate([np.full(length - len(values), np.nan, np.float32), values])

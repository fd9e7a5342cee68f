"""Forecasting: histories in the user's units -> quantiles of the next steps in the same units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from service.contract.calendar import Frequency, Times, features_at
from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import Dialogue, QuestionError, Step, Where
from service.tasks.timestamps import iso_times, parse_times, steps_on_grid

Values = NDArray[np.float32]

LARGEST = float(np.finfo(np.float32).max)
MAX_GAP_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one series: `values` (time,) oldest first, NaN if missing; `past` (time,), `future` (time + horizon,)."""

    values: Values
    past: Mapping[str, Values] = field(default_factory=dict)
    future: Mapping[str, Values] = field(default_factory=dict)
    start: np.datetime64 | None = None
    offset: timedelta | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The answer for one series: `point` (horizon,) is the median; `quantiles` level -> (horizon,); times if the history had them."""

    id: str | None
    timestamps: list[str] | None
    point: Values
    quantiles: dict[str, Values]
    context_used: int


def forecast(
    task: ForecastTask, histories: Sequence[History], *, horizon: int | None = None, quantiles: Sequence[float] | None = None
) -> Dialogue[list[Forecast]]:
    """Forecast all `histories` as one batch.

    Raises:
        QuestionError: too short a history, a covariate missing, unknown or of the wrong length, a horizon or level the model has not.
    """
    steps = _checked_horizon(task, horizon)
    levels = _checked_levels(task, quantiles)
    if not histories:
        return []
    outputs = yield Step(encode(task, histories, horizon=steps))
    rows = outputs["quantiles"][:, :steps]  # (series, steps, quantiles)
    if not np.isfinite(rows).all():
        position = int(np.isfinite(rows).all(axis=(1, 2)).argmin())
        message = "the forecast is beyond the range of a 32-bit float: send values nearer to those it was trained on"
        raise QuestionError(message, where=("series", position))
    return [_decode(task, history, row, levels=levels) for history, row in zip(histories, rows, strict=True)]


def encode(task: ForecastTask, histories: Sequence[History], *, horizon: int) -> Tensors:
    """Graph inputs of histories, one row each: the last `context` steps, padded on the left with NaN where a history is shorter."""
    rows = [_row(task, history, horizon, ("series", position)) for position, history in enumerate(histories)]
    if len(rows) == 1:  # the usual case, without a copy
        return {name: array[np.newaxis] for name, array in rows[0].items()}
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def on_grid(task: ForecastTask, history: History, timestamps: Sequence[str], *, where: Where) -> History:
    """The history laid on the model's regular grid by its timestamps; steps without a row become missing values.

    Raises:
        QuestionError: as many timestamps as values are needed, rising, and on the grid of the model's frequency.
    """
    where = (*where, "timestamps")
    if not timestamps or len(timestamps) != len(history.values):
        raise QuestionError(f"{len(timestamps)} timestamps for {len(history.values)} values: send one for each", where=where)
    frequency = Frequency.parse(task.frequency)
    times, offset = parse_times(frequency, timestamps, where=where)
    steps = steps_on_grid(frequency, times, timestamps, where=where)
    length = int(steps[-1]) + 1
    if length > len(times) + MAX_GAP_STEPS:
        raise QuestionError(
            f"the timestamps leave out {length - len(times)} steps of {task.frequency}: send a shorter history", where=where
        )
    spread = replace(history, values=_spread(history.values, steps, length), start=times[0], offset=offset)
    if length == len(times):
        return spread
    past = {name: _spread(column, steps, length) for name, column in history.past.items()}
    future = {
        name: np.concatenate([_spread(column[: len(times)], steps, length), column[len(times) :]])
        for name, column in history.future.items()
    }
    return replace(spread, past=past, future=future)


def columns(table: Mapping[Where, Sequence[float | None]]) -> dict[Where, Values]:
    """Numbers as float32, NaN where None; each key leads to its column in the question.

    Raises:
        QuestionError: a number beyond float32's range.
    """
    if len({len(values) for values in table.values()}) == 1:  # the usual case, all at once
        array = np.array(list(table.values()), np.float64)
        if np.fmax.reduce(np.abs(array), axis=None, initial=0.0) <= LARGEST:
            return dict(zip(table, array.astype(np.float32), strict=True))
    return {where: column(values, where=where) for where, values in table.items()}


def column(values: Sequence[float | None], *, where: Where) -> Values:
    """One column of `columns`; raises what that raises."""
    array = np.array(values, np.float64)
    beyond = np.abs(array) > LARGEST
    if beyond.any():
        position = int(beyond.argmax())
        raise QuestionError(f"{values[position]!r} is beyond the range of a 32-bit float", where=(*where, position))
    return array.astype(np.float32)


def _checked_horizon(task: ForecastTask, horizon: int | None) -> int:
    if horizon is None:
        return task.horizon
    if not 1 <= horizon <= task.horizon:
        raise QuestionError(f"horizon {horizon}: this model forecasts 1 to {task.horizon} steps", where=("horizon",))
    return horizon


def _checked_levels(task: ForecastTask, quantiles: Sequence[float] | None) -> tuple[float, ...]:
    if quantiles is None:
        return task.quantiles
    for position, level in enumerate(quantiles):
        if level not in task.quantiles:
            known = ", ".join(f"{own:g}" for own in task.quantiles)
            raise QuestionError(f"quantile {level:g}: this model was trained for {known}", where=("quantiles", position))
    return tuple(quantiles)


def _row(task: ForecastTask, history: History, horizon: int, where: Where) -> Tensors:
    observed = int(np.count_nonzero(~np.isnan(history.values[-task.context :])))
    if observed < task.min_context:
        raise QuestionError(
            f"{observed} observed values in the last {task.context}: this model needs at least {task.min_context}", where=(*where, "values")
        )
    _check_names(task.past, history.past, (*where, "past"))
    _check_names(task.future, history.future, (*where, "future"))
    row: Tensors = {"target": _last(history.values, task.context)}  # (context,)
    if task.past:
        row["past"] = np.array([_past_column(task, history, name, where) for name in task.past]).T  # (context, past)
    if task.known:
        row["future"] = _known(task, history, horizon, where)  # (context + horizon, known)
    return row


def _check_names(wanted: tuple[str, ...], given: Mapping[str, Values], where: Where) -> None:
    missing = [name for name in wanted if name not in given]
    if missing:
        raise QuestionError(f"covariate {missing[0]!r} is missing: this model takes {', '.join(wanted)} here", where=where)
    for name in given:
        if name not in wanted:
            raise QuestionError(f"unknown covariate {name!r}: this model takes {', '.join(wanted) or 'none'} here", where=(*where, name))


def _past_column(task: ForecastTask, history: History, name: str, where: Where) -> Values:
    values = history.past[name]
    if len(values) != len(history.values):
        raise QuestionError(
            f"{len(values)} values of {name!r} beside {len(history.values)} of the series: send one for each", where=(*where, "past", name)
        )
    return _last(values, task.context)


def _known(task: ForecastTask, history: History, horizon: int, where: Where) -> Values:
    time = len(history.values)
    unasked = np.full(task.horizon - horizon, np.nan, np.float32)
    columns = []
    for name in task.future:
        values = history.future[name]
        if len(values) not in (time + horizon, time + task.horizon):
            raise QuestionError(
                f"{len(values)} values of {name!r}: send {time + horizon}, {time} over the history and {horizon} over the horizon",
                where=(*where, "future", name),
            )
        columns.append(_last(np.concatenate([values[: time + horizon], unasked]), task.context + task.horizon))
    if task.calendar:
        times = _grid(task, history, where)
        derived = features_at(times, task.calendar)
        columns.extend(_last(derived[:, position], task.context + task.horizon) for position in range(len(task.calendar)))
    return np.stack(columns, axis=-1)


def _grid(task: ForecastTask, history: History, where: Where) -> Times:
    """Times of the steps that the graph sees, at most context + horizon of them."""
    if history.start is None:
        raise QuestionError("this model uses the calendar: send `start` or `timestamps` with the series", where=(*where, "start"))
    times = Frequency.parse(task.frequency).span(history.start, len(history.values) + task.horizon)
    return times[-(task.context + task.horizon) :]


def _decode(task: ForecastTask, history: History, row: Values, *, levels: tuple[float, ...]) -> Forecast:
    steps = len(row)
    table = np.ascontiguousarray(row.T)  # (quantiles, steps)
    by_level = {f"{level:g}": table[task.quantiles.index(level)] for level in levels}
    timestamps = None
    if history.start is not None:
        frequency = Frequency.parse(task.frequency)
        times = frequency.span(history.start, len(history.values) + steps)[-steps:]
        timestamps = iso_times(times, history.offset)
    return Forecast(
        id=history.id,
        timestamps=timestamps,
        point=table[task.quantiles.index(0.5)],
        quantiles=by_level,
        context_used=min(len(history.values), task.context),
    )


def _last(values: Values, length: int) -> Values:
    """The last `length` values, padded on the left with NaN."""
    if len(values) >= length:
        return values[-length:]
    return np.concatenate([np.full(length - len(values), np.nan, np.float32), values])


def _spread(values: Values, steps: NDArray[np.int64], length: int) -> Values:
    spread = np.full(length, np.nan, np.float32)
    spread[steps] = values[: len(steps)]
    return spread

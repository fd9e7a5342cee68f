"""Forecasting: histories in the user's units -> quantiles of the next steps in the same units, and what can be told from those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.contract.manifest import ForecastTask
from service.tasks.aggregate import Aggregate, AggregateKind, aggregated
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.forecast_inputs import encode
from service.tasks.history import History, Values, column, columns, on_grid
from service.tasks.levels import Central, Level, asked_intervals, asked_levels
from service.tasks.rolling import MOST_BLOCKS, block, rolled
from service.tasks.sample_paths import draw, paths_of, step_correlation
from service.tasks.target_kind import clipped, rounded
from service.tasks.timestamps import iso_times

__all__ = ["Extras", "Forecast", "History", "Values", "column", "columns", "encode", "forecast", "on_grid"]

MOST_SAMPLED_NUMBERS = 500_000
"""Paths x series x steps of one question."""
MOST_AGGREGATED_STEPS = 2_000
"""Series x steps of one question."""
MOST_ROLLED_STEPS = 1_000_000
"""Series x steps of one question whose horizon is longer than the trained one."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What is wanted beside point and quantiles.

    Central intervals that hold so many percent (`level`, each above 0 and below 100); so many sample paths, the same ones again with the
    same `seed`, others each time without; the horizon's sum or mean. Paths correlate from step to step as the model's errors did in
    training, unless `step_correlation` (0 <= r < 1) says otherwise.
    """

    level: Sequence[float] = ()
    samples: int = 0
    seed: int | None = None
    aggregate: AggregateKind | None = None
    step_correlation: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The answer for one series: `point` (horizon,) is the median; `quantiles` level -> (horizon,); times if the history had them.

    Where they were asked for: `intervals` percent -> low and high (horizon,); `samples` (paths, horizon); `aggregate`. `extended_from` is
    the horizon that the model was trained for where the forecast goes beyond it.
    """

    id: str | None
    timestamps: list[str] | None
    point: Values
    quantiles: dict[str, Values]
    context_used: int
    intervals: dict[str, dict[str, Values]] | None = None
    samples: Values | None = None
    aggregate: Aggregate | None = None
    extended_from: int | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """A question that has been checked."""

    steps: int
    levels: tuple[Level, ...]
    intervals: tuple[Central, ...]
    extras: Extras
    correlation: float


_NO_EXTRAS = Extras()


def forecast(
    task: ForecastTask,
    histories: Sequence[History],
    *,
    horizon: int | None = None,
    quantiles: Sequence[float] | None = None,
    extend: bool = False,
    extras: Extras = _NO_EXTRAS,
) -> Dialogue[list[Forecast]]:
    """Forecast all `histories` as one batch; with `extend` beyond the horizon that the model was trained for, which takes several runs.

    Raises:
        QuestionError: too short a history, a covariate missing, unknown or of the wrong length, a horizon, a level or an extra that the
            model has not, or more of them than one question may ask.
    """
    steps = _checked_horizon(task, horizon, extend=extend)
    plan = _plan(task, steps, quantiles, extras, series=len(histories))
    if not histories:
        return []
    rows = yield from (block if steps <= task.horizon else rolled)(task, histories, horizon=steps)  # (series, steps, levels)
    tables = [clipped(task, np.ascontiguousarray(row.T)) for row in rows]  # (levels, steps) of each series
    answers = [_decode(task, plan, history, tables[position], position) for position, history in enumerate(histories)]
    kind = extras.aggregate
    if kind is None:
        return answers
    totals = aggregated(task, tables, kind, correlation=plan.correlation, levels=plan.levels, intervals=plan.intervals)
    return [replace(answer, aggregate=total) for answer, total in zip(answers, totals, strict=True)]


def _checked_horizon(task: ForecastTask, horizon: int | None, *, extend: bool) -> int:
    if horizon is None:
        return task.horizon
    most = task.horizon * (MOST_BLOCKS if extend else 1)
    if not 1 <= horizon <= most:
        more = "" if extend else f"; with `extend` it is rolled forward, up to {task.horizon * MOST_BLOCKS} steps"
        raise QuestionError(f"horizon {horizon}: this model forecasts 1 to {most} steps{more}", where=("horizon",))
    return horizon


def _plan(task: ForecastTask, steps: int, quantiles: Sequence[float] | None, extras: Extras, *, series: int) -> _Plan:
    levels = asked_levels(task.quantiles, quantiles)
    intervals = asked_intervals(task.quantiles, extras.level)
    if steps > task.horizon and series * steps > MOST_ROLLED_STEPS:
        raise _too_many(f"{series} series x {steps} steps rolled forward", MOST_ROLLED_STEPS, "horizon")
    if extras.samples * series * steps > MOST_SAMPLED_NUMBERS:
        raise _too_many(f"{extras.samples} samples x {series} series x {steps} steps", MOST_SAMPLED_NUMBERS, "samples")
    if extras.aggregate and series * steps > MOST_AGGREGATED_STEPS:
        raise _too_many(f"an aggregate of {series} series x {steps} steps", MOST_AGGREGATED_STEPS, "aggregate")
    correlation = step_correlation(task, extras.step_correlation, steps=steps) if extras.samples or extras.aggregate else 0.0
    return _Plan(steps, levels, intervals, extras, correlation)


def _too_many(asked: str, most: int, field: str) -> QuestionError:
    return QuestionError(f"{asked}: at most {most} in one request: send fewer series, or ask for less", where=(field,))


def _decode(task: ForecastTask, plan: _Plan, history: History, table: Values, position: int) -> Forecast:
    return Forecast(
        id=history.id,
        timestamps=_timestamps(task, history, plan.steps),
        point=rounded(task, table[task.quantiles.index(0.5)], level=0.5),
        quantiles={str(level): _shown(task, table, level) for level in plan.levels},
        context_used=min(len(history.values), task.context),
        intervals=_intervals(task, table, plan.intervals),
        samples=_samples(task, table, plan, position) if plan.extras.samples else None,
        extended_from=task.horizon if plan.steps > task.horizon else None,
    )


def _timestamps(task: ForecastTask, history: History, steps: int) -> list[str] | None:
    if history.start is None:
        return None
    clock = task.clock
    times = clock.frequency.span(history.start, len(history.values) + steps)
    return iso_times(clock, times[-steps:], history.offset)


def _intervals(task: ForecastTask, table: Values, intervals: Sequence[Central]) -> dict[str, dict[str, Values]] | None:
    if not intervals:
        return None
    return {str(interval): {"low": _shown(task, table, interval.low), "high": _shown(task, table, interval.high)} for interval in intervals}


def _shown(task: ForecastTask, table: Values, level: Level) -> Values:
    return rounded(task, level.of(table), level=level.value)


def _samples(task: ForecastTask, table: Values, plan: _Plan, position: int) -> Values:
    """Paths (samples, steps), drawn for each series apart: what moves one does not move the others."""
    seed = plan.extras.seed
    generator = np.random.default_rng(None if seed is None else [seed, position])
    return paths_of(task, table, draw(task, plan.extras.samples, plan.steps, correlation=plan.correlation, generator=generator))

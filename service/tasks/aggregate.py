"""The sum or the mean of a series over the horizon, with quantiles of its own.

Quantiles of a sum are not sums of quantiles: bad steps and good ones make up for each other in part. They are counted from sample paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ForecastTask
from service.tasks.history import Values
from service.tasks.levels import Central, Level
from service.tasks.sample_paths import draw, paths_of
from service.tasks.target_kind import rounded

AggregateKind = Literal["sum", "mean"]

PATHS = 2000
"""Paths that are counted: the share that a 90% interval of them holds is off by .7% (one standard error)."""
SEED = 0
"""The same question has the same answer."""
MOST_AT_ONCE = 2_000_000
"""Numbers of paths that are held in memory at once."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A series' sum or mean over the horizon: `point` is its median; `quantiles` level -> value; `intervals` percent -> its ends."""

    kind: AggregateKind
    point: float
    quantiles: dict[str, float]
    intervals: dict[str, dict[str, float]] | None


def aggregated(
    task: ForecastTask,
    tables: Sequence[Values],
    kind: AggregateKind,
    *,
    correlation: float,
    levels: Sequence[Level],
    intervals: Sequence[Central],
) -> list[Aggregate]:
    """Of series whose quantiles are `tables`, each (levels, steps), from the same scores for all.

    Raises:
        QuestionError: a path leaves the range of a 32-bit float.
    """
    totals = _totals(task, tables, correlation=correlation)
    if kind == "mean":
        totals /= tables[0].shape[1]
    return [_counted(task, own, kind, levels=levels, intervals=intervals) for own in totals]


def _totals(task: ForecastTask, tables: Sequence[Values], *, correlation: float) -> NDArray[np.float64]:
    """The sum of each series' paths, (series, paths)."""
    steps = tables[0].shape[1]
    at_once = min(max(MOST_AT_ONCE // steps, 1), PATHS)
    generator = np.random.default_rng(SEED)
    totals = np.empty((len(tables), PATHS))
    for begin in range(0, PATHS, at_once):
        count = min(at_once, PATHS - begin)
        draws = draw(task, count, steps, correlation=correlation, generator=generator)
        for own, table in zip(totals, tables, strict=True):
            own[begin : begin + count] = paths_of(task, table, draws).sum(axis=1, dtype=np.float64)
    return totals


def _counted(
    task: ForecastTask, totals: NDArray[np.float64], kind: AggregateKind, *, levels: Sequence[Level], intervals: Sequence[Central]
) -> Aggregate:
    ends = [end.value for interval in intervals for end in (interval.low, interval.high)]
    wanted = [0.5, *(level.value for level in levels), *ends]
    found = [_shown(task, kind, value, level) for level, value in zip(wanted, np.quantile(totals, wanted).tolist(), strict=True)]
    point, of_levels, of_ends = found[0], found[1 : 1 + len(levels)], found[1 + len(levels) :]
    return Aggregate(
        kind=kind,
        point=point,
        quantiles={str(level): value for level, value in zip(levels, of_levels, strict=True)},
        intervals={
            str(interval): {"low": low, "high": high} for interval, low, high in zip(intervals, of_ends[::2], of_ends[1::2], strict=True)
        }
        or None,
    )


def _shown(task: ForecastTask, kind: AggregateKind, value: float, level: float) -> float:
    """A sum of whole numbers is one; a mean need not be."""
    return float(rounded(task, np.array([value]), level=level)[0]) if kind == "sum" else value

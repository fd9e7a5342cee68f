"""Forecasts from origins within a history: what the model gives for its steps when it sees those before them and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import Dialogue, QuestionError, Step, Where
from service.tasks.forecast_inputs import encode
from service.tasks.history import History, Values
from service.tasks.rolling import no_number

Places = NDArray[np.int64]

MOST_ORIGINS = 10_000
"""Forecasts of one question."""
MOST_STEPS = 100_000
"""Steps of one question that are looked at."""
MOST_ROWS = 256
"""Forecasts of one run of the graph."""
MOST_NUMBERS = 4_000_000
"""Numbers that one run is fed, where a single forecast is not more."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Forecasts of series `series` that see its first `places` steps, in the order of both; the `steps` that follow are looked at.

    Each is (origins,).
    """

    series: Places
    places: Places
    steps: Places

    def __len__(self) -> int:
        """Forecasts."""
        return len(self.series)

    def part(self, begin: int, end: int) -> Origins:
        """Those from `begin` to before `end`."""
        return Origins(self.series[begin:end], self.places[begin:end], self.steps[begin:end])

    @property
    def owners(self) -> Places:
        """The series of each step that is looked at, (steps,)."""
        return np.repeat(self.series, self.steps)

    @property
    def looked_at(self) -> Places:
        """The place of each step that is looked at, (steps,)."""
        before = np.cumsum(self.steps) - self.steps
        places: Places = np.arange(self.steps.sum()) + np.repeat(self.places - before, self.steps)
        return places


def origins_over(task: ForecastTask, histories: Sequence[History], *, ahead: int, last: int | None = None) -> Origins:
    """Origins every `ahead` steps, so that each of the `last` steps of a series, or of all, is looked at once.

    Steps with too little before them are left out.

    Raises:
        QuestionError: nothing is left of a series, or too much of all of them.
    """
    found = [
        _origins(task, history.values, ahead=ahead, last=last, where=("series", position)) for position, history in enumerate(histories)
    ]
    series = np.repeat(np.arange(len(found)), [len(places) for places, _ in found])
    origins = Origins(series, np.concatenate([places for places, _ in found]), np.concatenate([steps for _, steps in found]))
    looked_at = int(origins.steps.sum())
    if len(origins) > MOST_ORIGINS or looked_at > MOST_STEPS:
        message = f"{len(origins)} forecasts of {looked_at} steps: at most {MOST_ORIGINS} of {MOST_STEPS} in one request"
        raise QuestionError(f"{message}: send fewer series, judge fewer of the `last` steps, or more of them `ahead`", where=("last",))
    return origins


def forecasts_from(task: ForecastTask, histories: Sequence[History], origins: Origins, *, ahead: int) -> Dialogue[Values]:
    """Quantiles (steps, levels) of the steps that are looked at, each as the history cut at its origin gives it for a horizon of `ahead`.

    Covariates known ahead are read to the end of the history.

    Raises:
        QuestionError: a covariate is missing, unknown or of the wrong length, or a forecast is no number.
    """
    whole = [_whole(task, history, ("series", position)) for position, history in enumerate(histories)]
    found = []
    rows = _rows_at_once(task)
    for begin in range(0, len(origins), rows):
        part = origins.part(begin, begin + rows)
        outputs = yield Step(_windows(task, whole, part, ahead=ahead))
        within = np.arange(task.horizon) < part.steps[:, np.newaxis]  # (rows, horizon)
        found.append(outputs["quantiles"][within])
    quantiles: Values = np.concatenate(found)
    finite = np.isfinite(quantiles).all(axis=1)
    if not finite.all():
        raise no_number(("series", int(origins.owners[finite.argmin()])))
    return quantiles


def _origins(task: ForecastTask, values: Values, *, ahead: int, last: int | None, where: Where) -> tuple[Places, Places]:
    """Places of the origins of one series, rising, and how many steps each is for."""
    length = len(values)
    seen = np.concatenate([np.zeros(1, np.int64), np.cumsum(~np.isnan(values))])  # (length + 1,): observed before each place
    seen_by_graph = seen - seen[np.maximum(np.arange(length + 1) - task.context, 0)]
    enough = np.flatnonzero(seen_by_graph[:length] >= task.min_context)
    enough = enough[enough >= length - (length if last is None else last)]
    if not enough.size:
        needed = f"at least {task.min_context} observed ones in the {task.context} before it"
        asked = "" if last is None else f" and the last {last} to be judged"
        sent = f"{length} steps, {seen[-1]} of them observed{asked}"
        raise QuestionError(f"{sent}: each is judged from {needed}: send more of the history", where=(*where, "values"))
    blocks, first = np.unique((length - 1 - enough) // ahead, return_index=True)  # blocks of `ahead` steps, the last one is 0
    places = enough[first]
    return places[::-1], (length - blocks * ahead - places)[::-1]


def _whole(task: ForecastTask, history: History, where: Where) -> Tensors:
    """What `encode` gives for a context that begins `context` steps before the history: graph inputs of every origin are windows of it."""
    length = len(history.values)
    wide = task.model_copy(update={"context": length + task.context})
    ended = replace(history, future={name: values[:length] for name, values in history.future.items()})
    try:
        return encode(wide, [ended], horizon=0)
    except QuestionError as error:
        raise QuestionError(error.message, where=(*where, *error.where[2:])) from error


def _rows_at_once(task: ForecastTask) -> int:
    numbers = task.context * (1 + len(task.past)) + (task.context + task.horizon) * len(task.known)
    return max(1, min(MOST_ROWS, MOST_NUMBERS // numbers))


def _windows(task: ForecastTask, whole: Sequence[Tensors], origins: Origins, *, ahead: int) -> Tensors:
    """Graph inputs, one row for each origin."""
    parts = []
    for series in np.unique(origins.series):
        places = origins.places[origins.series == series]
        parts.append({name: _cut(task, name, rows[0], places) for name, rows in whole[series].items()})
    inputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if task.future:
        inputs["future"][:, task.context + ahead :, : len(task.future)] = np.nan
    return inputs


def _cut(task: ForecastTask, name: str, rows: Values, places: Places) -> Values:
    """Windows (places, width, ...) of one input (time, ...), each ending where its history does, or `horizon` later.

    Of `static` (columns,), which is the same all the time, a row for each.
    """
    if name == "static":
        return np.tile(rows, (len(places), 1))
    width = task.context + (task.horizon if name == "future" else 0)
    windows = np.moveaxis(sliding_window_view(rows, width, axis=0), -1, 1)
    return np.ascontiguousarray(windows[places])

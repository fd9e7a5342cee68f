"""Forecasts from origins in the past of a series: each of what came after it, from what came before it and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.api.series import MAX_CELLS
from service.contract.frequency import MONTHS, Times
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.forecast import Forecast, forecast
from service.tasks.history import History, Values
from service.tasks.origins import MOST_ORIGINS, MOST_ROWS, MOST_STEPS, origins_over


@dataclass(frozen=True, slots=True)
class Window:
    """A forecast of series `series` at `origin`, the number of steps that it sees; of its steps the first `steps` are looked at."""

    series: int
    origin: int
    steps: int


@dataclass(frozen=True, slots=True)
class Rolled:
    """Steps that were forecast, window after window: `series` and `place` say which these are, `point` is their median; each (steps,)."""

    series: NDArray[np.int64]
    place: NDArray[np.int64]
    point: Values
    quantiles: dict[float, Values]


def at_ends(histories: Sequence[History], *, horizon: int) -> list[Window]:
    """One window for each series, behind its end."""
    return [Window(series, len(history.values), horizon) for series, history in enumerate(histories)]


def at_last_origins(task: ForecastTask, histories: Sequence[History], *, horizon: int, windows: int, step: int) -> list[Window]:
    """So many windows of each series, oldest first, `step` apart; the last one ends where the series does.

    Raises:
        QuestionError: a series is too short, or there are too many windows.
    """
    _check_windows(windows * len(histories))
    reach = horizon + (windows - 1) * step
    found = []
    for series, history in enumerate(histories):
        first = len(history.values) - reach
        if first < task.min_context:
            asked = f"{windows} windows of {horizon} steps, {step} apart, reach back {reach}"
            needed = f"the model needs {task.min_context} before them: send more, or ask for less"
            raise QuestionError(f"{len(history.values)} steps: {asked}, and {needed}", where=("series", series))
        found += [Window(series, first + number * step, horizon) for number in range(windows)]
    return found


def over_steps(task: ForecastTask, histories: Sequence[History], *, ahead: int, last: int | None = None) -> list[Window]:
    """Windows that hold each of the `last` steps of a series, or of all, once, but for steps with too little before them.

    Raises:
        QuestionError: nothing is left of a series, or there is too much of all of them.
    """
    steps = [len(history.values) if last is None else min(last, len(history.values)) for history in histories]
    _check_windows(sum(math.ceil(own / ahead) for own in steps))
    if sum(steps) > MOST_STEPS:
        raise QuestionError(f"{sum(steps)} steps to look at: at most {MOST_STEPS} in one request, send fewer or set `num_partitions`")
    origins = origins_over(task, histories, ahead=ahead, last=last)
    return list(map(Window, origins.series.tolist(), origins.places.tolist(), origins.steps.tolist()))


def unbroken(histories: Sequence[History], windows: Sequence[Window]) -> list[Window]:
    """Of each series the windows that reach its end without a gap.

    Raises:
        QuestionError: none does.
    """
    ends = [len(history.values) for history in histories]
    kept = []
    for window in reversed(windows):
        if window.origin + window.steps == ends[window.series]:
            ends[window.series] = window.origin
            kept.append(window)
    for series, history in enumerate(histories):
        if ends[series] == len(history.values):
            raise QuestionError("too few values before its end are observed to forecast its last steps from", where=("series", series))
    return kept[::-1]


def forecasts_of(
    task: ForecastTask, histories: Sequence[History], windows: Sequence[Window], *, horizon: int, quantiles: Sequence[float]
) -> Dialogue[Rolled]:
    """What the model gives for the steps of all `windows`, with these quantiles; each window's forecast is `horizon` steps long.

    A horizon beyond the trained one is rolled forward: clients of other services warn of it themselves.

    Raises:
        QuestionError: the model cannot answer; of a series as `("series", its position, ...)`.
    """
    if len(windows) * horizon * (1 + len(quantiles)) > MAX_CELLS:
        raise QuestionError(f"{len(windows)} forecasts of {horizon} steps are too much for one answer: ask for fewer series or levels")
    seen = [_Seen.of(task, history) for history in histories]
    alike: dict[int, list[int]] = {}
    for position, window in enumerate(windows):
        alike.setdefault(seen[window.series].ahead(window.origin, horizon), []).append(position)
    answers: dict[int, Forecast] = {}
    for steps, positions in alike.items():
        for begin in range(0, len(positions), MOST_ROWS):
            part = positions[begin : begin + MOST_ROWS]
            known = [seen[windows[position].series].until(windows[position].origin, steps) for position in part]
            try:
                found = yield from forecast(task, known, horizon=steps, quantiles=quantiles or None, extend=True)
            except QuestionError as error:
                raise _of_series(error, histories, [windows[position] for position in part]) from error
            answers.update(zip(part, found, strict=True))
    return _joined(windows, [answers[position] for position in range(len(windows))], quantiles)


def _joined(windows: Sequence[Window], answers: Sequence[Forecast], quantiles: Sequence[float]) -> Rolled:
    """Of each window the steps that are looked at."""
    cut = [window.steps for window in windows]
    columns = [list(answer.quantiles.values()) for answer in answers] if quantiles else []
    return Rolled(
        np.repeat([window.series for window in windows], cut),
        np.concatenate([np.arange(window.origin, window.origin + window.steps) for window in windows]),
        np.concatenate([answer.point[:steps] for answer, steps in zip(answers, cut, strict=True)]),
        {
            quantile: np.concatenate([own[place][:steps] for own, steps in zip(columns, cut, strict=True)])
            for place, quantile in enumerate(quantiles)
        },
    )


def _check_windows(windows: int) -> None:
    if windows > MOST_ORIGINS:
        raise QuestionError(f"{windows} forecasts: at most {MOST_ORIGINS} in one request, ask for fewer windows or set `num_partitions`")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A series and its `times` (time,), where they matter; before step i the model looks at `firsts[i]` and what is later, (time + 1,)."""

    history: History
    times: Times | None
    firsts: NDArray[np.int64]

    @classmethod
    def of(cls, task: ForecastTask, history: History) -> _Seen:
        frequency = task.clock.frequency
        length = len(history.values)
        firsts = np.maximum(np.arange(length + 1) - task.context, 0)
        if history.start is None:
            return cls(history, None, firsts)
        times = frequency.span(history.start, length)
        if frequency.unit in MONTHS:  # they keep the day that a series begins with: cut in February, it would forget the 31st
            days = times.astype("datetime64[D]") - times.astype("datetime64[M]").astype("datetime64[D]")
            kept = np.maximum.accumulate(np.where(days == days[0], np.arange(length), 0))
            firsts = kept[firsts]
        return cls(history, times, firsts)

    def ahead(self, origin: int, horizon: int) -> int:
        """Steps to ask for at `origin`: of covariates known ahead nothing is known beyond the end of the series, save behind its end."""
        left = len(self.history.values) - origin
        return min(horizon, left) if left and self.history.future else horizon

    def until(self, origin: int, horizon: int) -> History:
        """What is known at `origin`; covariates known ahead reach `horizon` further."""
        first = int(self.firsts[origin])
        return replace(
            self.history,
            start=None if self.times is None else self.times[first],
            values=self.history.values[first:origin],
            past={name: own[first:origin] for name, own in self.history.past.items()},
            future={name: own[first : origin + horizon] for name, own in self.history.future.items()},
        )


def _of_series(error: QuestionError, histories: Sequence[History], windows: Sequence[Window]) -> QuestionError:
    """The error with the position of the series in the place of that of the window, saying where this lies within the series."""
    match error.where:
        case ("series", int(position), *rest):
            window = windows[position]
            within = "" if window.origin == len(histories[window.series].values) else f"forecast from its first {window.origin} steps: "
            return QuestionError(within + error.message, where=("series", window.series, *rest))
        case _:
            return error

"""Series as TimeGPT's protocol has them, all in one list, -> histories with the model's covariates, which it sends without names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.api.compat.date_features import is_date_feature
from service.api.compat.nixtla_wire import NixtlaSeries, Question
from service.api.compat.steps import check_step
from service.api.series import MAX_CELLS
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError
from service.tasks.history import History, Values, column
from service.tasks.timestamps import parse_start

MAX_SERIES = 10_000
UNTIMED = "MS"
"""The step that the client writes where the times of the series are whole numbers."""

Covariate = list[Values]
"""A column, cut into series."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The series, `values` one after the other and each with its covariates in `histories`; series i is at `bounds[i]:bounds[i + 1]`."""

    values: Values
    bounds: list[int]
    histories: list[History]


def panel(task: ForecastTask, question: Question, *, horizon: int = 0, past: Sequence[int] | None = None) -> Panel:
    """The series of a question, with covariates that are known for `horizon` steps beyond them.

    Covariates are the model's by their order. Those at the positions `past` of `X` are not known ahead; without a horizon and without
    `past`, the first are the ones known ahead.

    Raises:
        QuestionError: sizes that do not add up, another step than the model's, covariates that are not the model's.
    """
    series = question.series
    bounds = _bounds(series)
    starts = _starts(task, question)
    known, only_past = _covariates(task, series, bounds, horizon=horizon, past=past)
    if starts and len(known) > len(task.future):
        known = _without_date_features(task, known, starts)
    _check_counts(task, len(known), len(only_past))
    values = column(series.y, where=("series", "y"))
    cut = np.split(values, bounds[1:-1])
    histories = [
        History(
            one,
            past={name: own[position] for name, own in zip(task.past, only_past, strict=True)},
            future={name: own[position] for name, own in zip(task.future, known, strict=True)},
            start=starts[position] if starts and task.calendar else None,
        )
        for position, one in enumerate(cut)
    ]
    return Panel(values, bounds, histories)


def _bounds(series: NixtlaSeries) -> list[int]:
    if len(series.sizes) > MAX_SERIES:
        message = f"{len(series.sizes)} series: at most {MAX_SERIES} in one request, set `num_partitions` to send several"
        raise QuestionError(message, where=("series", "sizes"))
    if sum(series.sizes) != len(series.y):
        message = f"the sizes add up to {sum(series.sizes)}, and there are {len(series.y)} values: send as many as they say"
        raise QuestionError(message, where=("series", "sizes"))
    cells = len(series.y) * (1 + len(series.X or ()))
    if cells > MAX_CELLS:
        raise QuestionError(f"{cells} numbers: at most {MAX_CELLS} in one request, set `num_partitions` to send several", where=("series",))
    bounds: list[int] = np.cumsum([0, *series.sizes]).tolist()
    return bounds


def _starts(task: ForecastTask, question: Question) -> list[np.datetime64] | None:
    texts = question.series.start_datetime
    where = ("series", "start_datetime")
    if texts is None:
        if task.calendar:
            remedy = "times must be dates, without a time zone or in one without daylight saving"
            raise QuestionError(f"this model uses the calendar, and the times of the series were not sent: {remedy}", where=where)
        if question.freq != UNTIMED:
            check_step(task, question.freq, where=("freq",))
        return None
    check_step(task, question.freq, where=("freq",))
    if len(texts) != len(question.series.sizes):
        raise QuestionError(f"{len(texts)} times for {len(question.series.sizes)} series: send one for each", where=where)
    known: dict[str, np.datetime64] = {}  # most series begin together
    for position, text in enumerate(texts):
        if text not in known:
            known[text], _ = parse_start(task.clock, text, where=(*where, position))
    return [known[text] for text in texts]


def _covariates(
    task: ForecastTask, series: NixtlaSeries, bounds: list[int], *, horizon: int, past: Sequence[int] | None
) -> tuple[list[Covariate], list[Covariate]]:
    """Those that are known ahead, over the series and the horizon, and the others."""
    sent = [_cut(numbers, bounds, ("X", position)) for position, numbers in enumerate(series.X or ())]
    if horizon:
        ends = [horizon * position for position in range(len(bounds))]
        ahead = [_cut(numbers, ends, ("X_future", position)) for position, numbers in enumerate(series.X_future or ())]
        if len(ahead) > len(sent):
            message = f"{len(ahead)} covariates have values ahead, and {len(sent)} over the series: send both"
            raise QuestionError(message, where=("series", "X_future"))
        known = [_joined(before, after) for before, after in zip(sent, ahead, strict=False)]
        return known, sent[len(ahead) :]
    if past is None:
        first = len(task.future) if len(sent) == len(task.future) + len(task.past) else len(sent)
        return sent[:first], sent[first:]
    return (
        [own for position, own in enumerate(sent) if position not in past],
        [own for position, own in enumerate(sent) if position in past],
    )


def _cut(numbers: Sequence[float | None], bounds: list[int], where: tuple[str, int]) -> Covariate:
    if len(numbers) != bounds[-1]:
        message = f"{len(numbers)} values, and {bounds[-1]} are needed: one for each step of each series"
        raise QuestionError(message, where=("series", *where))
    return np.split(column(numbers, where=("series", *where)), bounds[1:-1])


def _joined(before: Covariate, after: Covariate) -> Covariate:
    return [np.concatenate(pair) for pair in zip(before, after, strict=True)]


def _without_date_features(task: ForecastTask, known: list[Covariate], starts: list[np.datetime64]) -> list[Covariate]:
    """More columns than the model takes: those that the times say already are left out."""
    spans = [task.clock.frequency.span(start, len(own)) for start, own in zip(starts, known[0], strict=True)]
    times = task.clock.wall(np.concatenate(spans))
    return [own for own in known if not is_date_feature(np.concatenate(own), times)]


def _check_counts(task: ForecastTask, known: int, past: int) -> None:
    if (known, past) == (len(task.future), len(task.past)):
        return
    takes = f"{_names(task.future)} known ahead (columns of X_df) and {_names(task.past)} that are not (hist_exog_list), in this order"
    derived = "; date_features are recognised, and left out, where the times are dates" if known > len(task.future) else ""
    raise QuestionError(f"{known} covariates known ahead and {past} that are not: this model takes {takes}{derived}", where=("series", "X"))


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(columns) or "none"

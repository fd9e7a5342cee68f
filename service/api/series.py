"""Series over HTTP: how histories are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from service.api.body import Body
from service.contract.manifest import ForecastTask
from service.contract.static_column import MAX_TEXT
from service.tasks.dialogue import QuestionError, Where
from service.tasks.history import History, columns, on_grid
from service.tasks.timestamps import parse_start

MAX_SERIES = 1000
MAX_STEPS = 100_000
MAX_COLUMNS = 100
MAX_CELLS = 5_000_000
"""Numbers of one request once steps left out by timestamps are filled in: a small body must not become a large array."""

Numbers = Annotated[list[float | None], Field(max_length=MAX_STEPS, fail_fast=True)]
Timestamps = Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=MAX_STEPS, fail_fast=True)]
Columns = Annotated[dict[Annotated[str, Field(max_length=200)], Numbers], Field(max_length=MAX_COLUMNS)]
Texts = Annotated[dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=MAX_TEXT)]], Field(max_length=MAX_COLUMNS)]


class Series(Body):
    """The history of one series."""

    id: str | None = Field(default=None, max_length=200, description="Comes back with the forecast.")
    start: str | None = Field(
        default=None,
        max_length=40,
        description="Time of the first value, ISO 8601; the others follow at the model's frequency.",
        examples=["2026-01-05T00:00:00"],
    )
    timestamps: Timestamps | None = Field(
        default=None, description="Instead of `start`: the time of every value, rising; steps left out count as missing."
    )
    values: Numbers = Field(description="The series in its own units, oldest first; null where missing.")
    past: Columns = Field(default_factory=dict, description="Covariates known up to now: name -> as many values as the series has.")
    future: Columns = Field(default_factory=dict, description="Covariates known ahead: name -> values over the history and the horizon.")
    static: Texts = Field(
        default_factory=dict,
        description="Static columns: name -> the text of this series. One that the model has not met is answered as an unknown one.",
        examples=[{"store": "north"}],
    )


def histories_of(task: ForecastTask, series: Sequence[Series]) -> list[History]:
    """The series as the task knows them.

    Raises:
        QuestionError: a number beyond float32's range, times that are on no grid, or too many numbers once gaps are filled in.
    """
    histories = []
    cells = 0
    for position, one in enumerate(series):
        history = _history(task, one, ("series", position))
        cells += len(history.values) * (1 + len(history.past) + len(history.future))
        if cells > MAX_CELLS:
            raise QuestionError(f"over {MAX_CELLS} numbers with the steps left out: send fewer series", where=("series", position))
        histories.append(history)
    return histories


def _history(task: ForecastTask, series: Series, where: Where) -> History:
    sent = {"past": series.past, "future": series.future}
    table = {(*where, side, name): numbers for side, given in sent.items() for name, numbers in given.items()}
    values, *covariates = columns({(*where, "values"): series.values, **table}).values()
    past = dict(zip(series.past, covariates[: len(series.past)], strict=True))
    future = dict(zip(series.future, covariates[len(series.past) :], strict=True))
    if series.timestamps is not None:
        if series.start is not None:
            raise QuestionError("`start` and `timestamps` are both here: send one of them", where=(*where, "timestamps"))
        return on_grid(task, History(values, past, future, id=series.id, static=series.static), series.timestamps, where=where)
    if series.start is None:
        return History(values, past, future, id=series.id, static=series.static)
    start, offset = parse_start(task.clock, series.start, where=(*where, "start"))
    return History(values, past, future, start, offset, series.id, series.static)

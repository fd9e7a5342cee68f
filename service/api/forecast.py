"""Forecasts over HTTP: the body, the answer, the routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.api import examples
from service.api.body import Body
from service.api.deps import Version, model_of, timeout_s, wrong_task
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, documented
from service.contract.manifest import ForecastTask, Manifest
from service.contract.tokenizer import WordTokenizer
from service.tasks import forecast as task_forecast
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.forecast import Forecast, History
from service.tasks.timestamps import parse_time

MAX_SERIES = 1000
MAX_STEPS = 100_000
MAX_COLUMNS = 100
MAX_CELLS = 5_000_000
"""Numbers of one request once steps left out by timestamps are filled in: a small body must not become a large array."""

Numbers = Annotated[list[float | None], Field(max_length=MAX_STEPS, fail_fast=True)]
Timestamps = Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=MAX_STEPS, fail_fast=True)]
Columns = Annotated[dict[Annotated[str, Field(max_length=200)], Numbers], Field(max_length=MAX_COLUMNS)]


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


class ForecastBody(Body):
    """Series to forecast; all of them are one batch."""

    series: list[Series] = Field(min_length=1, max_length=MAX_SERIES, description="One or more histories.")
    horizon: int | None = Field(default=None, ge=1, description="Steps ahead; at most, and by default, what the model was trained for.")
    quantiles: list[float] | None = Field(
        default=None, min_length=1, max_length=100, description="Levels wanted, of those that the model was trained for; by default all."
    )


class SeriesForecast(BaseModel):
    """The forecast of one series, in its own units."""

    id: str | None = Field(description="As it was sent.")
    timestamps: list[str] | None = Field(description="Time of each step ahead, where the history had times.")
    point: list[float] = Field(description="The median of each step.")
    quantiles: dict[str, list[float]] = Field(description="Level -> value of each step.")
    context_used: int = Field(description="Steps of the history that the model has read, the last ones.")


class ForecastAnswer(BaseModel):
    """Forecasts in the order of the series."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FORECAST_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    forecasts: list[SeriesForecast] = Field(description="One for each series.")


router = APIRouter(route_class=HotRoute, tags=["Ask"])

_Name = Annotated[str, Path(description="A forecaster's name.", openapi_examples=examples.names(examples.FORECAST))]
_Question = Annotated[ForecastBody, BodyParameter(openapi_examples=examples.bodies(examples.FORECAST))]


@router.post(
    "/v1/models/{name}/forecast",
    response_model=ForecastAnswer,
    summary="Forecast series",
    response_description="A forecast for each series, in their order.",
    responses=documented(TASK_ERRORS),
)
async def forecast(request: Request, body: _Question, name: _Name) -> dict[str, Any]:
    """Forecast the next steps of one or more series: a point and quantiles for each step, in the units of the series."""
    return await _answer(request, body, name, None)


@router.post(
    "/v1/models/{name}/versions/{version}/forecast",
    response_model=ForecastAnswer,
    summary="Forecast series with one version",
    response_description="A forecast for each series, in their order.",
    responses=documented(TASK_ERRORS),
)
async def forecast_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any]:
    """The same with the version that the path says."""
    return await _answer(request, body, name, version)


def dialogue(manifest: Manifest, tokenizer: WordTokenizer | None, body: ForecastBody) -> Dialogue[dict[str, Any]]:  # noqa: ARG001 - every task has this signature
    """What the model is run on for this body; returns the answer without the model's name, ready for JSON.

    Raises:
        WrongTask: not a forecaster.
        QuestionError: from the dialogue, where the model cannot answer.
    """
    if not isinstance(manifest.task, ForecastTask):
        raise wrong_task(manifest)
    return _dialogue(manifest.task, body)


async def _answer(request: Request, body: ForecastBody, name: str, version: int | None) -> dict[str, Any]:
    model = model_of(request, name, version)
    answer = await model.ask(dialogue(model.manifest, model.tokenizer, body), timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, **answer}


def _dialogue(task: ForecastTask, body: ForecastBody) -> Dialogue[dict[str, Any]]:
    histories = _histories(task, body.series)
    forecasts = yield from task_forecast.forecast(task, histories, horizon=body.horizon, quantiles=body.quantiles)
    return {"forecasts": [_jsonable(answer) for answer in forecasts]}


def _histories(task: ForecastTask, series: Sequence[Series]) -> list[History]:
    histories = []
    cells = 0
    for position, one in enumerate(series):
        history = _history(task, one, ("series", position))
        cells += len(history.values) * (1 + len(history.past) + len(history.future))
        if cells > MAX_CELLS:
            raise QuestionError(f"over {MAX_CELLS} numbers with the steps left out: send fewer series", where=("series", position))
        histories.append(history)
    return histories


def _history(task: ForecastTask, series: Series, where: tuple[str | int, ...]) -> History:
    sent = {"past": series.past, "future": series.future}
    table = {(*where, side, name): values for side, columns in sent.items() for name, values in columns.items()}
    found = task_forecast.columns({(*where, "values"): series.values, **table})
    history = History(
        values=found[*where, "values"],
        past={name: found[*where, "past", name] for name in series.past},
        future={name: found[*where, "future", name] for name in series.future},
        id=series.id,
    )
    if series.timestamps is not None:
        if series.start is not None:
            raise QuestionError("`start` and `timestamps` are both here: send one of them", where=(*where, "timestamps"))
        return task_forecast.on_grid(task, history, series.timestamps, where=where)
    if series.start is None:
        return history
    start, offset = parse_time(series.start, where=(*where, "start"))
    return History(history.values, history.past, history.future, start, offset, series.id)


def _jsonable(answer: Forecast) -> dict[str, Any]:
    return {
        "id": answer.id,
        "timestamps": answer.timestamps,
        "point": answer.point,
        "quantiles": answer.quantiles,
        "context_used": answer.context_used,
    }

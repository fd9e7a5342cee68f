"""Forecasts in KServe's time series protocol: what its package types as `ForecastRequest` and `ForecastResponse`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.api import examples
from service.api.body import Body
from service.api.compat.examples import TIMESERIES
from service.api.compat.forecasters import forecaster, forecasters
from service.api.compat.steps import check_unit
from service.api.deps import timeout_s
from service.api.hot_route import HotRoute
from service.api.late_route import LateRoute
from service.api.problem import QUESTION_ERRORS, timeseries_documented
from service.api.series import MAX_SERIES, Columns, Numbers, Series, histories_of
from service.contract.manifest import ForecastTask
from service.tasks import forecast as task_forecast
from service.tasks.dialogue import Dialogue, QuestionError, Where
from service.tasks.forecast import Forecast
from service.tasks.history import Values

UTC = "Z"
LEVEL_DIGITS = 6
"""Levels as near as this are one level."""
Univariate = Literal["univariate_time_series"]
Unit = Literal["second", "S", "minute", "T", "hour", "H", "day", "D", "week", "W", "month", "M", "quarter", "Q", "year", "Y"]


class TimeSeriesInput(Body):
    """The history of one series. Unknown fields are passed over, as the protocol has it."""

    model_config = ConfigDict(extra="ignore")

    type: Univariate = Field(description="One number a step; series of several numbers are not taken.")
    name: str = Field(max_length=200, description="Comes back with the forecast.")
    series: Numbers = Field(description="Values in the series' own units, oldest first; null where missing.")
    frequency: Unit = Field(description="Unit of the step; the model's own says how many of them.")
    start_timestamp: str | None = Field(default=None, max_length=40, description="Time of the first value, ISO 8601.")
    past: Columns = Field(default_factory=dict, description="Covariates known up to now: name -> as many values as the series has.")
    future: Columns = Field(default_factory=dict, description="Covariates known ahead: name -> values over the history and the horizon.")


class TimeSeriesOptions(Body):
    """What is asked for."""

    model_config = ConfigDict(extra="ignore")

    horizon: int = Field(ge=1, description="Steps ahead.")
    quantiles: list[float] | None = Field(default=None, max_length=100, description="Levels wanted; none: the median alone.")


class TimeSeriesBody(Body):
    """Series to forecast; all of them are one batch."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(max_length=200, description="A forecaster's name.")
    inputs: list[TimeSeriesInput] = Field(min_length=1, max_length=MAX_SERIES, description="One or more histories.")
    options: TimeSeriesOptions = Field(description="Horizon and levels.")


class TimeSeriesForecast(BaseModel, defer_build=True):
    """The forecast of one series."""

    type: Univariate = Field(description="As it was sent.")
    name: str = Field(description="As it was sent.")
    mean_forecast: list[float] = Field(description="The median of each step.")
    frequency: str = Field(description="As it was sent.")
    start_timestamp: str = Field(description="Time of the first step ahead; empty where the series has no times.")
    quantiles: dict[str, list[float]] | None = Field(description="Level -> value of each step; null where none are asked for.")


class TimeSeriesOutput(BaseModel, defer_build=True):
    """What became of one input."""

    type: Literal["time_series_forecast"] = Field(description="What it is.")
    id: str = Field(description="A new one.")
    status: Literal["completed"] = Field(description="A request that has a fault gets an error and no answer.")
    content: list[TimeSeriesForecast] = Field(description="The forecast, alone.")
    error: None = Field(description="There is none.")


class TimeSeriesAnswer(BaseModel, defer_build=True):
    """Forecasts in the order of the inputs."""

    id: str = Field(description="A new one.")
    created_at: int = Field(description="Seconds since 1970.")
    status: Literal["completed"] = Field(description="All of it.")
    error: None = Field(description="There is none.")
    model: str = Field(description="Model that answered.")
    outputs: list[TimeSeriesOutput] = Field(description="One for each input.")
    usage: None = Field(description="Nothing is metered.")


router = APIRouter(prefix="/v1/timeseries", route_class=HotRoute, tags=["Compatibility"])
cold_router = APIRouter(prefix="/v1/timeseries", route_class=LateRoute, tags=["Compatibility"])

_Question = Annotated[TimeSeriesBody, BodyParameter(openapi_examples=examples.bodies(TIMESERIES))]


@router.post(
    "/forecast",
    response_model=TimeSeriesAnswer,
    summary="KServe: forecast series",
    response_description="A forecast for each input, in their order.",
    responses=timeseries_documented(QUESTION_ERRORS),
)
async def forecast(request: Request, body: _Question) -> dict[str, Any]:
    """The steps after each series; covariates, which the protocol does not know, may be sent as in the service's own forecasts."""
    model, task = forecaster(request, body.model)
    outputs = await model.ask(_outputs(task, body), timeout_s(request))
    answer = {"id": _new_id(), "created_at": int(time.time()), "status": "completed", "error": None, "model": body.model}
    return {**answer, "outputs": outputs, "usage": None}


@cold_router.get("/models", summary="KServe: forecasters")
async def list_models(request: Request) -> list[str]:
    """Names of the models that forecast."""
    return forecasters(request)


def _outputs(task: ForecastTask, body: TimeSeriesBody) -> Dialogue[list[dict[str, Any]]]:
    levels = list(dict.fromkeys(round(level, LEVEL_DIGITS) for level in body.options.quantiles or ()))
    try:
        for position, one in enumerate(body.inputs):
            check_unit(task, one.frequency, where=("series", position, "frequency"))
            if task.calendar and one.start_timestamp is None:
                raise QuestionError("this model uses the calendar: send it with the series", where=("series", position, "start"))
        _check_horizon(task, body)
        histories = histories_of(task, [_series(one) for one in body.inputs])
        forecasts = yield from task_forecast.forecast(task, histories, horizon=body.options.horizon, quantiles=levels or [0.5])
    except QuestionError as error:
        raise QuestionError(error.message, where=_place(error.where)) from error
    return [_output(sent, found, body.options.quantiles or ()) for sent, found in zip(body.inputs, forecasts, strict=True)]


def _check_horizon(task: ForecastTask, body: TimeSeriesBody) -> None:
    """The answer has no place to say that a forecast was rolled forward."""
    if body.options.horizon > task.horizon:
        remedy = f"ask POST /v1/models/{body.model}/forecast with `extend` for more"
        raise QuestionError(f"{body.options.horizon}: this model forecasts 1 to {task.horizon} steps: {remedy}", where=("horizon",))


def _place(where: Where) -> Where:
    """Where in the body that lies which a forecast has at `where`."""
    match where:
        case ("series", position, "values", *rest):
            return ("inputs", position, "series", *rest)
        case ("series", position, "start", *rest):
            return ("inputs", position, "start_timestamp", *rest)
        case ("series", *rest):
            return ("inputs", *rest)
        case ("horizon" | "quantiles", *_):
            return ("options", *where)
        case _:
            return where


def _series(sent: TimeSeriesInput) -> Series:
    """The same as the service's own forecasts have it; it has been checked."""
    return Series.model_construct(
        id=sent.name, start=sent.start_timestamp, timestamps=None, values=sent.series, past=sent.past, future=sent.future
    )


def _output(sent: TimeSeriesInput, found: Forecast, levels: Sequence[float]) -> dict[str, Any]:
    start = found.timestamps[0] if found.timestamps else ""
    if (sent.start_timestamp or "").endswith(UTC):
        start = start.replace("+00:00", UTC)
    content = {
        "type": sent.type,
        "name": sent.name,
        "mean_forecast": found.point,
        "frequency": sent.frequency,
        "start_timestamp": start,
        "quantiles": _by_level(found, levels) if levels else None,
    }
    return {"type": "time_series_forecast", "id": _new_id(), "status": "completed", "content": [content], "error": None}


def _by_level(found: Forecast, levels: Sequence[float]) -> dict[str, Values]:
    own = dict(zip(dict.fromkeys(round(level, LEVEL_DIGITS) for level in levels), found.quantiles.values(), strict=True))
    return {str(level): own[round(level, LEVEL_DIGITS)] for level in levels}


def _new_id() -> str:
    return str(uuid.uuid4())

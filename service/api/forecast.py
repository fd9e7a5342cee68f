"""Forecasts over HTTP: the body, the answer, the routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.api import examples
from service.api.body import Body
from service.api.deps import Version, model_of, timeout_s, wrong_task
from service.api.explanation import ForecastExplanation, explanation_json
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, documented
from service.api.series import MAX_SERIES, Series, histories_of
from service.contract.manifest import ForecastTask, Manifest
from service.tasks import forecast as task_forecast
from service.tasks.aggregate import Aggregate
from service.tasks.dialogue import Dialogue
from service.tasks.explain import explain
from service.tasks.forecast import Extras, Forecast
from service.tasks.language import Language

Percent = Annotated[float, Field(gt=0, lt=100)]


class ForecastBody(Body):
    """Series to forecast; all of them are one batch."""

    series: list[Series] = Field(min_length=1, max_length=MAX_SERIES, description="One or more histories.")
    horizon: int | None = Field(default=None, ge=1, description="Steps ahead; at most, and by default, what the model was trained for.")
    quantiles: list[float] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Levels wanted, any from the lowest to the highest that the model was trained for; by default those.",
    )
    level: list[Percent] | None = Field(
        default=None, min_length=1, max_length=100, description="Central intervals wanted, each by the percentage it is to hold."
    )
    samples: int | None = Field(default=None, ge=1, le=1000, description="Sample paths wanted of each series.")
    seed: int | None = Field(default=None, ge=0, le=2**53 - 1, description="Makes sample paths repeatable.")
    aggregate: Literal["sum", "mean"] | None = Field(
        default=None, description="Forecast the sum or the mean over the horizon too, with quantiles and intervals of its own."
    )
    step_correlation: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="How errors of neighbouring steps correlate, for samples and aggregates; by default as measured in training.",
    )
    extend: bool = Field(
        default=False, description="Roll the forecast forward where `horizon` is more than the model was trained for, ten times it at most."
    )
    explain: bool = Field(default=False, description="Tell what moved each forecast: parts of what was sent, set missing in turn.")


class ForecastInterval(BaseModel, defer_build=True):
    """The ends of a central interval."""

    low: list[float] = Field(description="Of each step.")
    high: list[float] = Field(description="Of each step.")


class ForecastAggregate(BaseModel, defer_build=True):
    """What a series adds up to over the horizon."""

    kind: Literal["sum", "mean"] = Field(description="As it was asked for.")
    point: float = Field(description="Its median.")
    quantiles: dict[str, float] = Field(description="Level -> value.")
    intervals: dict[str, dict[str, float]] | None = Field(
        default=None, description="Percentage -> `low` and `high`, where `level` was sent."
    )


class SeriesForecast(BaseModel, defer_build=True):
    """The forecast of one series, in its own units."""

    id: str | None = Field(description="As it was sent.")
    timestamps: list[str] | None = Field(description="Time of each step ahead, where the history had times.")
    point: list[float] = Field(description="The median of each step.")
    quantiles: dict[str, list[float]] = Field(description="Level -> value of each step.")
    context_used: int = Field(description="Steps of the history that the model has read, the last ones.")
    intervals: dict[str, ForecastInterval] | None = Field(default=None, description="Percentage -> interval, where `level` was sent.")
    samples: list[list[float]] | None = Field(default=None, description="Paths of as many steps as the horizon, where `samples` was sent.")
    aggregate: ForecastAggregate | None = Field(default=None, description="Where `aggregate` was sent.")
    extended_from: int | None = Field(
        default=None, description="Steps that the model was trained for, where the forecast was rolled forward beyond them."
    )
    explanation: ForecastExplanation | None = Field(
        default=None, description="Where `explain` was sent: of the steps that the model was trained for."
    )


class ForecastAnswer(BaseModel, defer_build=True):
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


def dialogue(manifest: Manifest, language: Language | None, body: ForecastBody) -> Dialogue[dict[str, Any]]:  # noqa: ARG001 - every task has this signature
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
    answer = await model.ask(dialogue(model.manifest, model.language, body), timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, **answer}


def _dialogue(task: ForecastTask, body: ForecastBody) -> Dialogue[dict[str, Any]]:
    histories = histories_of(task, body.series)
    explanations = explain(task, histories, horizon=body.horizon) if body.explain else None
    forecasts = yield from task_forecast.forecast(
        task,
        histories,
        horizon=body.horizon,
        quantiles=body.quantiles,
        extend=body.extend,
        extras=Extras(body.level or (), body.samples or 0, body.seed, body.aggregate, body.step_correlation),
    )
    answers = [_jsonable(answer) for answer in forecasts]
    if explanations is not None:
        for answer, explanation in zip(answers, (yield from explanations), strict=True):
            answer["explanation"] = explanation_json(explanation)
    return {"forecasts": answers}


def _jsonable(answer: Forecast) -> dict[str, Any]:
    """The answer, without what was not asked for."""
    found: dict[str, Any] = {
        "id": answer.id,
        "timestamps": answer.timestamps,
        "point": answer.point,
        "quantiles": answer.quantiles,
        "context_used": answer.context_used,
    }
    if answer.intervals is not None:
        found["intervals"] = answer.intervals
    if answer.samples is not None:
        found["samples"] = answer.samples
    if answer.aggregate is not None:
        found["aggregate"] = _aggregate(answer.aggregate)
    if answer.extended_from is not None:
        found["extended_from"] = answer.extended_from
    return found


def _aggregate(total: Aggregate) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": total.kind, "point": total.point, "quantiles": total.quantiles}
    return found if total.intervals is None else {**found, "intervals": total.intervals}

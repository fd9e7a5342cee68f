"""Anomalies over HTTP: the body, the answer, the routes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.api import examples
from service.api.body import Body
from service.api.deps import Version, model_of, timeout_s, wrong_task
from service.api.forecast import Percent
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, documented
from service.api.series import MAX_SERIES, Series, histories_of
from service.contract.manifest import ForecastTask, Manifest
from service.tasks.anomalies import USUAL_PERCENT, Judged, anomalies
from service.tasks.dialogue import Dialogue

Score = Annotated[float, Field(ge=1, le=1e6)]


class AnomaliesBody(Body):
    """Series to look through; `future` covariates are needed over the history only."""

    series: list[Series] = Field(min_length=1, max_length=MAX_SERIES, description="One or more histories.")
    level: Percent | None = Field(
        default=None,
        description=f"Percentage that the central interval is to hold; by default {USUAL_PERCENT:g}, or the widest that the model has.",
    )
    ahead: int = Field(default=1, ge=1, description="Steps that each forecast judges; at most the model's horizon.")
    last: int | None = Field(default=None, ge=1, description="Judge the newest so many steps; by default all with enough before them.")
    forget_beyond: Score | None = Field(
        default=None,
        description="Forecast again, values whose score was beyond this counting as missing: a spike is not expected again a season later.",
    )


class AnomalyCounts(BaseModel, defer_build=True):
    """Of the steps in the answer."""

    judged: int = Field(description="Steps with a score.")
    anomalies: int = Field(description="Those outside of their interval.")
    missing: int = Field(description="Steps without a value.")


class SeriesAnomalies(BaseModel, defer_build=True):
    """The steps of one series, from the first that is judged to the last; all lists are equally long."""

    id: str | None = Field(description="As it was sent.")
    first_step: int = Field(description="Place of the first of these steps in the series, from 0; steps that were left out count.")
    timestamps: list[str] | None = Field(description="Time of each step, where the history had times.")
    values: list[float | None] = Field(description="What was observed; null where missing.")
    point: list[float | None] = Field(description="The median of what was expected; null where too little is known before a step.")
    low: list[float | None] = Field(description="Where the interval begins; null where `point` is.")
    high: list[float | None] = Field(description="Where it ends; null where `point` is.")
    score: list[float | None] = Field(
        description="Distance from the point, in half-intervals of that side, negative below; null where something is missing."
    )
    anomaly: list[bool] = Field(description="Whether the score is over 1 or under -1: the value is outside of the interval.")
    counts: AnomalyCounts = Field(description="How many there are.")


class AnomaliesAnswer(BaseModel, defer_build=True):
    """What was found, in the order of the series."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ANOMALIES_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    level: float = Field(description="Percentage that the intervals are to hold; of a calm series the others, out of 100, are outside.")
    ahead: int = Field(description="Steps that each forecast judged.")
    series: list[SeriesAnomalies] = Field(description="One for each series.")


router = APIRouter(route_class=HotRoute, tags=["Ask"])

_Name = Annotated[str, Path(description="A forecaster's name.", openapi_examples=examples.names(examples.ANOMALIES))]
_Question = Annotated[AnomaliesBody, BodyParameter(openapi_examples=examples.bodies(examples.ANOMALIES))]


@router.post(
    "/v1/models/{name}/anomalies",
    response_model=AnomaliesAnswer,
    summary="Find anomalies in series",
    response_description="What each step was expected to be and how far it was off, for each series in their order.",
    responses=documented(TASK_ERRORS),
)
async def find_anomalies(request: Request, body: _Question, name: _Name) -> dict[str, Any]:
    """Find the observations that are outside of the interval which the model gives for them from what was before them alone."""
    return await _answer(request, body, name, None)


@router.post(
    "/v1/models/{name}/versions/{version}/anomalies",
    response_model=AnomaliesAnswer,
    summary="Find anomalies in series with one version",
    response_description="What each step was expected to be and how far it was off, for each series in their order.",
    responses=documented(TASK_ERRORS),
)
async def find_anomalies_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any]:
    """The same with the version that the path says."""
    return await _answer(request, body, name, version)


def dialogue(manifest: Manifest, body: AnomaliesBody) -> Dialogue[dict[str, Any]]:
    """What the model is run on for this body; returns the answer without the model's name, ready for JSON.

    Raises:
        WrongTask: not a forecaster.
        QuestionError: from the dialogue, where the model cannot answer.
    """
    if not isinstance(manifest.task, ForecastTask):
        raise wrong_task(manifest)
    return _dialogue(manifest.task, body)


async def _answer(request: Request, body: AnomaliesBody, name: str, version: int | None) -> dict[str, Any]:
    model = model_of(request, name, version)
    answer = await model.ask(dialogue(model.manifest, body), timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, **answer}


def _dialogue(task: ForecastTask, body: AnomaliesBody) -> Dialogue[dict[str, Any]]:
    found = yield from anomalies(
        task,
        histories_of(task, body.series),
        percent=body.level,
        ahead=body.ahead,
        last=body.last,
        forget_beyond=body.forget_beyond,
    )
    return {"level": found.percent, "ahead": body.ahead, "series": [_jsonable(judged) for judged in found.series]}


def _jsonable(judged: Judged) -> dict[str, Any]:
    return {
        "id": judged.id,
        "first_step": judged.first_step,
        "timestamps": judged.timestamps,
        "values": judged.values,
        "point": judged.point,
        "low": judged.low,
        "high": judged.high,
        "score": judged.score,
        "anomaly": judged.anomaly,
        "counts": {
            "judged": int(np.count_nonzero(~np.isnan(judged.score))),
            "anomalies": int(np.count_nonzero(judged.anomaly)),
            "missing": int(np.count_nonzero(np.isnan(judged.values))),
        },
    }

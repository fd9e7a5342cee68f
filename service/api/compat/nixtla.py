"""What the public client `nixtla` asks of TimeGPT, answered by the forecasters that are served: `base_url=http://HOST:PORT/nixtla`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Body as BodyParameter
from fastapi.openapi.models import Example
from pydantic import BaseModel, Field
from starlette.requests import Request

from service.api import examples
from service.api.compat import nixtla_answers
from service.api.compat.examples import ANOMALIES, CROSS_VALIDATION, FORECAST, ONLINE_ANOMALIES
from service.api.compat.forecasters import forecaster, forecasters
from service.api.compat.nixtla_answers import in_its_terms
from service.api.compat.nixtla_wire import (
    UNTRAINED,
    NixtlaAnomalyAnswer,
    NixtlaAnomalyBody,
    NixtlaCrossValidationAnswer,
    NixtlaCrossValidationBody,
    NixtlaFinetuneBody,
    NixtlaForecastAnswer,
    NixtlaForecastBody,
    NixtlaOnlineAnomalyAnswer,
    NixtlaOnlineAnomalyBody,
)
from service.api.deps import timeout_s
from service.api.hot_route import HotRoute
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, QUESTION_ERRORS, documented
from service.errors import BadQuestion

PREFIX = "/nixtla"


class NixtlaSize(BaseModel, defer_build=True):
    """How much a model reads and gives."""

    input_size: int = Field(description="Steps of history that it reads.")
    horizon: int = Field(description="Steps ahead that it was trained for.")


class NixtlaSizes(BaseModel, defer_build=True):
    """What the client asks first."""

    detail: NixtlaSize = Field(description="The model's sizes.")


class NixtlaKey(BaseModel, defer_build=True):
    """A sentence."""

    detail: str = Field(description="What there is to say.")


class NixtlaModel(BaseModel, defer_build=True):
    """A forecaster."""

    name: str = Field(description="Its name.")


class NixtlaModels(BaseModel, defer_build=True):
    """The forecasters that are served."""

    models: list[NixtlaModel] = Field(description="Each by its name.")


class NixtlaQuota(BaseModel, defer_build=True):
    """What was taken of a quota; there is none."""

    used: int = Field(description="0: nothing is counted against a quota.")
    limit: int | None = Field(description="Null: there is none.")


class NixtlaUsage(BaseModel, defer_build=True):
    """What was taken of the quotas."""

    minute: NixtlaQuota = Field(description="In this minute.")
    month: NixtlaQuota = Field(description="In this month.")


router = APIRouter(prefix=PREFIX, route_class=HotRoute, tags=["Compatibility"])
cold_router = APIRouter(prefix=PREFIX, route_class=LateRoute, tags=["Compatibility"])

_Forecast = Annotated[NixtlaForecastBody, BodyParameter(openapi_examples=examples.bodies(FORECAST))]
_CrossValidation = Annotated[NixtlaCrossValidationBody, BodyParameter(openapi_examples=examples.bodies(CROSS_VALIDATION))]
_Anomalies = Annotated[NixtlaAnomalyBody, BodyParameter(openapi_examples=examples.bodies(ANOMALIES))]
_OnlineAnomalies = Annotated[NixtlaOnlineAnomalyBody, BodyParameter(openapi_examples=examples.bodies(ONLINE_ANOMALIES))]
_Model = Annotated[str, Query(max_length=200, description="A forecaster's name.", openapi_examples={"first": Example(value="energy-load")})]
_errors = documented(QUESTION_ERRORS)


@router.post("/v2/forecast", response_model=NixtlaForecastAnswer, summary="nixtla: forecast", responses=_errors)
async def forecast(request: Request, body: _Forecast) -> dict[str, Any]:
    """The steps after each series: `NixtlaClient.forecast`."""
    model, task = forecaster(request, body.model)
    return await model.ask(in_its_terms(nixtla_answers.forecast(task, body)), timeout_s(request))


@router.post("/v2/cross_validation", response_model=NixtlaCrossValidationAnswer, summary="nixtla: cross-validation", responses=_errors)
async def cross_validation(request: Request, body: _CrossValidation) -> dict[str, Any]:
    """Windows of each series, each forecast from what came before it: `cross_validation`, and `forecast` with `add_history`."""
    model, task = forecaster(request, body.model)
    return await model.ask(in_its_terms(nixtla_answers.cross_validation(task, body)), timeout_s(request))


@router.post("/v2/anomaly_detection", response_model=NixtlaAnomalyAnswer, summary="nixtla: anomalies", responses=_errors)
async def anomalies(request: Request, body: _Anomalies) -> dict[str, Any]:
    """Steps outside of the interval that the model gave for them before it saw them: `NixtlaClient.detect_anomalies`."""
    model, task = forecaster(request, body.model)
    return await model.ask(in_its_terms(nixtla_answers.anomalies(task, body)), timeout_s(request))


@router.post("/v2/online_anomaly_detection", response_model=NixtlaOnlineAnomalyAnswer, summary="nixtla: late anomalies", responses=_errors)
async def online_anomalies(request: Request, body: _OnlineAnomalies) -> dict[str, Any]:
    """The same of the last steps, with scores: `NixtlaClient.detect_anomalies_online`."""
    model, task = forecaster(request, body.model)
    return await model.ask(in_its_terms(nixtla_answers.online_anomalies(task, body)), timeout_s(request))


@router.post("/v2/finetune", include_in_schema=False)
async def finetune(request: Request, body: NixtlaFinetuneBody) -> None:  # noqa: ARG001 - every hot route has this signature
    """Refused: `NixtlaClient.finetune`."""
    raise BadQuestion(UNTRAINED)


@cold_router.get("/model_params", summary="nixtla: sizes of a model", responses=documented((*MODEL_ERRORS, BadQuestion)))
async def model_params(request: Request, model: _Model) -> NixtlaSizes:
    """How much history a forecaster reads and how far it looks; `freq`, which the client sends too, is looked at in questions."""
    _, task = forecaster(request, model)
    return NixtlaSizes(detail=NixtlaSize(input_size=task.context, horizon=task.horizon))


@cold_router.get("/validate_api_key", summary="nixtla: whether a key is valid")
async def validate_api_key() -> NixtlaKey:
    """Every key is: the service has no accounts."""
    return NixtlaKey(detail="every key is valid: this service has no accounts")


@cold_router.get("/v2/models", summary="nixtla: forecasters")
async def list_models(request: Request) -> NixtlaModels:
    """Names for `model`: `NixtlaClient.list_models`."""
    return NixtlaModels(models=[NixtlaModel(name=name) for name in forecasters(request)])


@cold_router.get("/usage", summary="nixtla: quotas")
async def usage() -> NixtlaUsage:
    """None: `NixtlaClient.usage`."""
    return NixtlaUsage(minute=NixtlaQuota(used=0, limit=None), month=NixtlaQuota(used=0, limit=None))


@cold_router.get("/v2/finetuned_models", include_in_schema=False)
async def finetuned_models() -> dict[str, list[Any]]:
    """None: `NixtlaClient.finetuned_models`."""
    return {"finetuned_models": []}

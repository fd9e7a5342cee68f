"""Open Inference Protocol v2, statistics extension: what models have done since they were loaded."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request

from service.api import examples
from service.api.deps import Registry, Version, model_of
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, oip_documented
from service.errors import BadQuestion
from service.oip.reference import LABEL_SIGN, asked_versions
from service.oip.statistics import Statistics, model_statistics

router = APIRouter(route_class=LateRoute, tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(examples.INFER))]
_errors = oip_documented((*MODEL_ERRORS, BadQuestion))


@router.get("/v2/models/stats", response_model=Statistics, summary="What all models have done")
async def all_statistics(registry: Registry) -> Statistics:
    """Counts and times of every version of every model."""
    return model_statistics(asked_versions(registry))


@router.get("/v2/models/{name}/stats", response_model=Statistics, summary="What a model has done", responses=_errors)
async def statistics(request: Request, registry: Registry, name: _Name) -> Statistics:
    """Counts and times of every version of a model, or of the one with the label that is asked for."""
    return model_statistics([model_of(request, name)] if LABEL_SIGN in name else asked_versions(registry, name))


@router.get("/v2/models/{name}/versions/{version}/stats", response_model=Statistics, summary="What one version has done", responses=_errors)
async def statistics_of_version(request: Request, name: _Name, version: Version) -> Statistics:
    """The same for the version that the path says."""
    return model_statistics([model_of(request, name, version)])

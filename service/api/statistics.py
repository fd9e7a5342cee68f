"""Open Inference Protocol v2, statistics extension: what models have done since they were loaded."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.api import examples
from service.api.deps import LABEL_SIGN, Registry, Version, model_of
from service.api.problem import MODEL_ERRORS, oip_documented
from service.errors import BadQuestion
from service.served_model import ServedModel


class Duration(BaseModel):
    """How often something was done, and how long that took."""

    model_config = ConfigDict(from_attributes=True)

    count: int = Field(default=0, description="Times.")
    ns: int = Field(default=0, description="Nanoseconds altogether.")


class InferenceStatistics(BaseModel):
    """Requests and their phases. Nothing is cached: the two about a cache stay 0."""

    model_config = ConfigDict(from_attributes=True)

    success: Duration = Field(description="Requests answered, from the queue to the answer.")
    fail: Duration = Field(description="Requests that the graph failed on or that came too late.")
    queue: Duration = Field(description="Waiting for the graph.")
    compute_input: Duration = Field(description="Putting requests together.")
    compute_infer: Duration = Field(description="Running the graph.")
    compute_output: Duration = Field(description="Taking answers apart.")
    cache_hit: Duration = Duration()
    cache_miss: Duration = Duration()


class BatchStatistics(BaseModel):
    """Runs of the graph on one number of rows."""

    model_config = ConfigDict(from_attributes=True)

    batch_size: int = Field(description="Rows.")
    compute_input: Duration = Field(description="Putting requests together.")
    compute_infer: Duration = Field(description="Running the graph.")
    compute_output: Duration = Field(description="Taking answers apart.")


class ModelStatistics(BaseModel):
    """What one version has done."""

    name: str = Field(description="The model.")
    version: str = Field(description="Its version.")
    last_inference: int = Field(description="Unix time of the last run in milliseconds; 0 before the first.")
    inference_count: int = Field(description="Rows.")
    execution_count: int = Field(description="Runs of the graph.")
    inference_stats: InferenceStatistics = Field(description="Requests and their phases.")
    batch_stats: list[BatchStatistics] = Field(description="Runs by their number of rows.")


class Statistics(BaseModel):
    """What models have done since they were loaded."""

    model_config = ConfigDict(protected_namespaces=())

    model_stats: list[ModelStatistics] = Field(description="One for each version.")


router = APIRouter(tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(examples.INFER))]
_errors = oip_documented((*MODEL_ERRORS, BadQuestion))


@router.get("/v2/models/stats", response_model=Statistics, summary="What all models have done")
async def all_statistics(registry: Registry) -> Statistics:
    """Counts and times of every version of every model."""
    names = [model.manifest.name for model in registry.newest()]
    return _statistics([registry.get(name, version) for name in names for version in registry.versions(name)])


@router.get("/v2/models/{name}/stats", response_model=Statistics, summary="What a model has done", responses=_errors)
async def statistics(request: Request, registry: Registry, name: _Name) -> Statistics:
    """Counts and times of every version of a model, or of the one with the label that is asked for."""
    if LABEL_SIGN in name:
        return _statistics([model_of(request, name)])
    return _statistics([registry.get(name, version) for version in registry.versions(name)])


@router.get("/v2/models/{name}/versions/{version}/stats", response_model=Statistics, summary="What one version has done", responses=_errors)
async def statistics_of_version(request: Request, name: _Name, version: Version) -> Statistics:
    """The same for the version that the path says."""
    return _statistics([model_of(request, name, version)])


def _statistics(models: list[ServedModel]) -> Statistics:
    return Statistics(model_stats=[_of(model) for model in models])


def _of(model: ServedModel) -> ModelStatistics:
    done = model.statistics()
    return ModelStatistics(
        name=model.manifest.name,
        version=str(model.manifest.version),
        last_inference=done.last_inference_ms,
        inference_count=done.inference_count,
        execution_count=done.execution_count,
        inference_stats=InferenceStatistics.model_validate(done),
        batch_stats=[BatchStatistics.model_validate(batch) for batch in done.batch_stats],
    )

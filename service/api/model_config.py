"""Open Inference Protocol v2, model configuration extension: how a model is run, in the words of Triton's configuration."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request

from service.api import examples
from service.api.deps import Version, context_of, model_of
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, oip_documented
from service.errors import BadQuestion
from service.oip.model_config import ModelConfig, model_config
from service.served_model import ServedModel

router = APIRouter(route_class=LateRoute, tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(examples.INFER))]
_errors = oip_documented((*MODEL_ERRORS, BadQuestion))


@router.get(
    "/v2/models/{name}/config",
    response_model=ModelConfig,
    response_model_exclude_none=True,
    summary="How a model is run",
    responses=_errors,
)
async def config(request: Request, name: _Name) -> ModelConfig:
    """Tensors, batching and versions of a model as Triton's clients read them."""
    return _config(request, model_of(request, name))


@router.get(
    "/v2/models/{name}/versions/{version}/config",
    response_model=ModelConfig,
    response_model_exclude_none=True,
    summary="How one version is run",
    responses=_errors,
)
async def config_of_version(request: Request, name: _Name, version: Version) -> ModelConfig:
    """The same for the version that the path says."""
    return _config(request, model_of(request, name, version))


def _config(request: Request, model: ServedModel) -> ModelConfig:
    context = context_of(request)
    return model_config(model, context.settings, context.registry.versions(model.manifest.name))

"""Open Inference Protocol v2, model configuration extension: how a model is run, in the words of Triton's configuration."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.requests import Request

from service.api import examples
from service.api.deps import Version, context_of, model_of
from service.api.inference import PLATFORMS
from service.api.problem import MODEL_ERRORS, oip_documented
from service.contract.manifest import TensorSpec
from service.errors import BadQuestion
from service.served_model import ServedModel
from service.settings import Settings

BACKENDS = {"onnx": "onnxruntime", "torchscript": "pytorch"}


class ConfiguredTensor(BaseModel):
    """A tensor of the graph."""

    name: str = Field(description="Its name in the graph.")
    data_type: str = Field(description="`TYPE_FP32`, `TYPE_INT64`, ...")
    dims: list[int] = Field(description="Its shape without the batch; -1 is any size.")


class InstanceGroup(BaseModel):
    """Where it runs."""

    name: str = Field(description="Name of the group.")
    kind: str = Field(description="`KIND_CPU` or `KIND_GPU`.")
    count: int = Field(description="Batches that run at the same time.")


class DynamicBatching(BaseModel):
    """How requests are put together."""

    max_queue_delay_microseconds: int = Field(description="How long a batch that is not full waits; 0: not at all.")
    priority_levels: int = Field(description="Priorities; 1 goes first.")
    default_priority_level: int = Field(description="Of requests that name none.")


class ModelConfig(BaseModel):
    """How a model is run."""

    name: str = Field(description="The model.")
    platform: str = Field(description="What runs its graph.")
    backend: str = Field(description="The same, as newer clients call it.")
    version_policy: dict[str, Any] = Field(description="Versions that are served.")
    max_batch_size: int = Field(description="Most rows of one run; a larger request is run in pieces.")
    input: list[ConfiguredTensor] = Field(description="What the graph takes.")
    output: list[ConfiguredTensor] = Field(description="What the graph gives.")
    instance_group: list[InstanceGroup] = Field(description="Where it runs.")
    dynamic_batching: DynamicBatching = Field(description="How requests are put together.")


router = APIRouter(tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(examples.INFER))]
_errors = oip_documented((*MODEL_ERRORS, BadQuestion))


@router.get("/v2/models/{name}/config", response_model=ModelConfig, summary="How a model is run", responses=_errors)
async def config(request: Request, name: _Name) -> ModelConfig:
    """Tensors, batching and versions of a model as Triton's clients read them."""
    return _config(request, model_of(request, name))


@router.get("/v2/models/{name}/versions/{version}/config", response_model=ModelConfig, summary="How one version is run", responses=_errors)
async def config_of_version(request: Request, name: _Name, version: Version) -> ModelConfig:
    """The same for the version that the path says."""
    return _config(request, model_of(request, name, version))


def version_policy(settings: Settings, versions: list[int]) -> dict[str, Any]:
    """The versions that are served of a model, in Triton's words."""
    kind, _, count = settings.version_policy.partition(":")
    match kind:
        case "all":
            return {"all": {}}
        case "latest":
            return {"latest": {"num_versions": int(count)}}
        case _:
            return {"specific": {"versions": versions}}


def _config(request: Request, model: ServedModel) -> ModelConfig:
    context = context_of(request)
    settings = context.settings
    manifest = model.manifest
    return ModelConfig(
        name=manifest.name,
        platform=PLATFORMS[model.backend_name],
        backend=BACKENDS[model.backend_name],
        version_policy=version_policy(settings, context.registry.versions(manifest.name)),
        max_batch_size=settings.max_batch_rows,
        input=[_tensor(spec) for spec in manifest.inputs],
        output=[_tensor(spec) for spec in manifest.outputs],
        instance_group=[
            InstanceGroup(name=manifest.name, kind="KIND_GPU" if model.device == "cuda" else "KIND_CPU", count=settings.instances)
        ],
        dynamic_batching=DynamicBatching(
            max_queue_delay_microseconds=round(settings.max_queue_delay_ms * 1000),
            priority_levels=settings.priority_levels,
            default_priority_level=(settings.priority_levels + 1) // 2,
        ),
    )


def _tensor(spec: TensorSpec) -> ConfiguredTensor:
    return ConfiguredTensor(name=spec.name, data_type=f"TYPE_{spec.datatype}", dims=list(spec.shape[1:]))

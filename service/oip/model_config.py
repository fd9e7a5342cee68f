"""How a model is run, in the words of Triton's configuration."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from service.contract.manifest import TensorSpec
from service.oip.metadata import PLATFORMS
from service.oip.sequence_batching import SequenceBatching, sequence_batching
from service.served_model import ServedModel
from service.settings import Settings

BACKENDS = {"onnx": "onnxruntime", "torchscript": "pytorch"}


class ConfiguredTensor(BaseModel, defer_build=True):
    """A tensor of the graph."""

    name: str = Field(description="Its name in the graph.")
    data_type: str = Field(description="`TYPE_FP32`, `TYPE_INT64`, ...")
    dims: list[int] = Field(description="Its shape without the batch; -1 is any size.")


class InstanceGroup(BaseModel, defer_build=True):
    """Where it runs."""

    name: str = Field(description="Name of the group.")
    kind: str = Field(description="`KIND_CPU` or `KIND_GPU`.")
    count: int = Field(description="Batches that run at the same time.")


class DynamicBatching(BaseModel, defer_build=True):
    """How requests are put together."""

    max_queue_delay_microseconds: int = Field(description="How long a batch that is not full waits; 0: not at all.")
    priority_levels: int = Field(description="Priorities; 1 goes first.")
    default_priority_level: int = Field(description="Of requests that name none.")


class ModelConfig(BaseModel, defer_build=True):
    """How a model is run."""

    name: str = Field(description="The model.")
    platform: str = Field(description="What runs its graph.")
    backend: str = Field(description="The same, as newer clients call it.")
    version_policy: dict[str, Any] = Field(description="Versions that are served.")
    max_batch_size: int = Field(description="Most rows of one run; a larger request is run in pieces.")
    input: list[ConfiguredTensor] = Field(description="What the graph takes.")
    output: list[ConfiguredTensor] = Field(description="What the graph gives.")
    instance_group: list[InstanceGroup] = Field(description="Where it runs.")
    dynamic_batching: DynamicBatching | None = Field(default=None, description="How requests are put together, where no state is kept.")
    sequence_batching: SequenceBatching | None = Field(default=None, description="How they are, where it is.")


def model_config(model: ServedModel, settings: Settings, versions: list[int]) -> ModelConfig:
    """That of one version; `versions` are all that are served."""
    manifest = model.manifest
    sequences = sequence_batching(manifest, settings)
    return ModelConfig(
        name=manifest.name,
        platform=PLATFORMS[model.backend_name],
        backend=BACKENDS[model.backend_name],
        version_policy=version_policy(settings, versions),
        max_batch_size=settings.max_batch_rows,
        input=[_tensor(spec) for spec in manifest.inputs],
        output=[_tensor(spec) for spec in manifest.outputs],
        instance_group=[
            InstanceGroup(name=manifest.name, kind="KIND_GPU" if model.device == "cuda" else "KIND_CPU", count=settings.instances)
        ],
        dynamic_batching=None if sequences else _dynamic_batching(settings),
        sequence_batching=sequences,
    )


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


def _dynamic_batching(settings: Settings) -> DynamicBatching:
    return DynamicBatching(
        max_queue_delay_microseconds=round(settings.max_queue_delay_ms * 1000),
        priority_levels=settings.priority_levels,
        default_priority_level=(settings.priority_levels + 1) // 2,
    )


def _tensor(spec: TensorSpec) -> ConfiguredTensor:
    return ConfiguredTensor(name=spec.name, data_type=f"TYPE_{spec.datatype}", dims=list(spec.shape[1:]))

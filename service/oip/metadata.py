"""What the protocol says of a model: its versions, and the tensors that its graph takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.contract.manifest import TensorSpec
from service.served_model import ServedModel

PLATFORMS: dict[str, Literal["onnx_onnxv1", "pytorch_torchscript"]] = {"onnx": "onnx_onnxv1", "torchscript": "pytorch_torchscript"}


class Tensor(BaseModel, defer_build=True):
    """A tensor that the graph takes or gives."""

    name: str = Field(description="Its name in the graph.")
    datatype: str = Field(description="`FP32`, `INT64`, ...")
    shape: list[int] = Field(description="Batch first; -1 is any size.")


class ModelMetadata(BaseModel, defer_build=True):
    """What the protocol says of a model."""

    name: str = Field(description="The model.")
    versions: list[str] = Field(description="Versions served.")
    platform: str = Field(description="What runs its graph.")
    inputs: list[Tensor] = Field(description="All of them are needed; of a step of a sequence all but its states.")
    outputs: list[Tensor] = Field(description="What the graph gives.")


def model_metadata(model: ServedModel, versions: list[int]) -> ModelMetadata:
    """That of one version; `versions` are all that are served."""
    manifest = model.manifest
    return ModelMetadata(
        name=manifest.name,
        versions=[str(version) for version in versions],
        platform=PLATFORMS[model.backend_name],
        inputs=[_tensor(spec) for spec in manifest.inputs],
        outputs=[_tensor(spec) for spec in manifest.outputs],
    )


def _tensor(spec: TensorSpec) -> Tensor:
    return Tensor(name=spec.name, datatype=spec.datatype, shape=list(spec.shape))

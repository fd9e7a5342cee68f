"""Which models are served: their cards."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.requests import Request

from service.api import examples
from service.api.deps import Registry, Version, model_of
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, documented
from service.contract.backtest_scores import BacktestFault, BacktestScores, read_backtest
from service.contract.manifest import Data, Scores, Task, TensorSpec
from service.errors import BadQuestion
from service.lifecycle.registry import ModelRegistry
from service.served_model import ServedModel


class CardNetwork(BaseModel, defer_build=True):
    """What was trained."""

    cell: Literal["lstm", "gru", "rnn"] = Field(description="Recurrent cell.")
    layers: int = Field(description="Recurrent layers.")
    hidden: int = Field(description="Width of the state.")


class ModelCard(BaseModel, defer_build=True):
    """What a client should know of a model."""

    name: str = Field(description="The model.")
    version: int = Field(description="The version that this card is of.")
    ready: bool = Field(default=True, description="Whether it answers; a model that does not has no card.")
    versions: list[int] = Field(description="Versions served, rising.")
    description: str = Field(description="What the model is for.")
    created: str = Field(description="UTC time of publication.")
    task: Task = Field(description="What it does, by `kind`, and what it takes.")
    routes: list[str] = Field(description="Paths that answer for this model.")
    inputs: list[TensorSpec] = Field(description="Inputs of the graph.")
    outputs: list[TensorSpec] = Field(description="Outputs of the graph.")
    network: CardNetwork = Field(description="Cells.")
    parameters: int = Field(description="Trained weights.")
    scores: Scores = Field(description="How good it is, beside the naive baselines.")
    backtest: BacktestScores | None = Field(
        description="What the newest `carousel-train backtest` of this version found; none where there was none, or its file is at fault."
    )
    backtest_fault: str | None = Field(description="What is wrong with the file of the backtest, where its scores are not shown.")
    data: Data = Field(description="What it was trained on.")
    files: dict[str, int] = Field(description="File of the artifact -> bytes.")
    backend: str = Field(description="What runs its graph: `onnx` or `torchscript`.")
    device: str = Field(description="Where it runs: `cpu` or `cuda`.")
    precision: str = Field(description="What its graph computes with: `fp32` or `int8`.")


class RefusedArtifact(BaseModel, defer_build=True):
    """An artifact that is not served."""

    name: str = Field(description="The model.")
    version: int = Field(description="Its version.")
    reason: str = Field(description="What is wrong with it, and what to do.")


class ModelList(BaseModel, defer_build=True):
    """Everything in the model folder."""

    models: list[ModelCard] = Field(description="Card of the newest version of each model.")
    refused: list[RefusedArtifact] = Field(description="Artifacts that are not served, and why.")


router = APIRouter(route_class=LateRoute, tags=["Models"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(examples.PREDICT))]
_errors = documented((*MODEL_ERRORS, BadQuestion))


# plain functions, which FastAPI calls in a thread: cards are read from the disk in part


@router.get("/v1/models", summary="All models")
def list_models(registry: Registry) -> ModelList:
    """The newest version of every model, and what was refused."""
    refused = [RefusedArtifact(name=one.name, version=one.version, reason=one.reason) for one in registry.refused]
    return ModelList(models=[_card(registry, model) for model in registry.newest()], refused=refused)


@router.get("/v1/models/{name}", summary="One model", responses=_errors)
def show_model(request: Request, registry: Registry, name: _Name) -> ModelCard:
    """The card of the newest version: task, routes, scores against the baselines, tensors."""
    return _card(registry, model_of(request, name))


@router.get("/v1/models/{name}/versions/{version}", summary="One version of a model", responses=_errors)
def show_version(request: Request, registry: Registry, name: _Name, version: Version) -> ModelCard:
    """The card of the version that the path says."""
    return _card(registry, model_of(request, name, version))


def _card(registry: ModelRegistry, model: ServedModel) -> ModelCard:
    backtest, fault = _backtest(model)
    versions = registry.versions(model.manifest.name)
    return ModelCard(**model.card(), versions=versions, backtest=backtest, backtest_fault=fault)


def _backtest(model: ServedModel) -> tuple[BacktestScores | None, str | None]:
    """Scores, and why there are none; read for each card, as a backtest may have been run since the model was loaded."""
    try:
        return read_backtest(model.artifact), None
    except BacktestFault as fault:
        return None, str(fault)

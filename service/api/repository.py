"""Open Inference Protocol v2, model repository extension: which versions there are, loading and unloading a model."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.api import examples
from service.api.body import Body, Headers, parse_body
from service.api.deps import context_of
from service.api.hot_route import HotRoute
from service.api.problem import oip_documented
from service.errors import (
    BadQuestion,
    BodyTooLarge,
    LoadFailed,
    MalformedBody,
    ModelNotFound,
    RepositoryClosed,
    ShuttingDown,
    UnreadCoding,
    WorkersBehind,
)
from service.oip.repository import RepositoryEntry, refuse_load_parameters, repository_index


class OptionalBody(Body):
    """Clients send an object or nothing."""

    @classmethod
    def read(cls, data: bytes, headers: Headers) -> Self:  # noqa: ARG003 - as of every body
        """No bytes at all are an empty object."""
        return parse_body(cls, data or b"{}")


class IndexBody(OptionalBody):
    """Which entries are wanted."""

    ready: bool = Field(default=False, description="Only those that answer.")


class ChangeBody(OptionalBody):
    """A change of one model."""

    parameters: dict[str, Any] = Field(default_factory=dict, description="Only `unload_dependents` is taken: no model depends on another.")


class Changed(BaseModel, defer_build=True):
    """A change that was made."""

    name: str = Field(description="The model.")


router = APIRouter(route_class=HotRoute, tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(examples.REPOSITORY_CHANGE))]
_Index = Annotated[IndexBody, BodyParameter(openapi_examples=examples.bodies(examples.REPOSITORY_INDEX))]
_Change = Annotated[ChangeBody, BodyParameter(openapi_examples=examples.bodies(examples.REPOSITORY_CHANGE))]
_ALL = IndexBody.model_construct()  # which builds no validator
_NOTHING = ChangeBody.model_construct()
_read_errors = (MalformedBody, BodyTooLarge, UnreadCoding, BadQuestion)
_change_errors = oip_documented((*_read_errors, ModelNotFound, RepositoryClosed, LoadFailed, ShuttingDown, WorkersBehind))


@router.post(
    "/v2/repository/index",
    response_model=list[RepositoryEntry],
    summary="Every version of every model",
    responses=oip_documented(_read_errors),
)
async def index(request: Request, body: _Index = _ALL) -> list[dict[str, Any]]:
    """All versions that the service knows of, those that do not answer with the reason."""
    return [entry.model_dump() for entry in repository_index(context_of(request).registry, ready=body.ready)]


@router.post("/v2/repository/models/{name}/load", response_model=Changed, summary="Load a model", responses=_change_errors)
async def load(request: Request, name: _Name, body: _Change = _NOTHING) -> dict[str, str]:
    """Load what the model folder has of this model, or load it again; what is served goes on until the new one answers.

    The service must be started with `--repository-mode explicit` or `poll`.
    """
    refuse_load_parameters(body.parameters)
    await run_in_threadpool(context_of(request).registry.load, name)
    return {"name": name}


@router.post("/v2/repository/models/{name}/unload", response_model=Changed, summary="Unload a model", responses=_change_errors)
async def unload(request: Request, name: _Name, body: _Change = _NOTHING) -> dict[str, str]:  # noqa: ARG001 - nothing in it changes anything
    """Answer for this model no longer; what it was asked before is answered.

    The service must be started with `--repository-mode explicit` or `poll`.
    """
    await run_in_threadpool(context_of(request).registry.unload, name)
    return {"name": name}

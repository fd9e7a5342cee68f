"""What routes need: the registry, the settings, a model by the name and version in the path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path
from fastapi.openapi.models import Example
from starlette.requests import Request

from service.contract.manifest import Manifest
from service.contract.repository import MAX_VERSION_DIGITS
from service.errors import BadQuestion, WrongTask
from service.registry import ModelRegistry
from service.served_model import ServedModel
from service.settings import Settings
from service.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Context:
    """What one application answers with; `app.state.context`."""

    registry: ModelRegistry
    settings: Settings
    telemetry: Telemetry


def context_of(request: Request) -> Context:
    """The context of the application that got this request."""
    context: Context = request.app.state.context
    return context


async def _registry(request: Request) -> ModelRegistry:  # async: FastAPI would call a plain function in a thread
    return context_of(request).registry


async def _telemetry(request: Request) -> Telemetry:
    return context_of(request).telemetry


Registry = Annotated[ModelRegistry, Depends(_registry)]
Metrics = Annotated[Telemetry, Depends(_telemetry)]
Version = Annotated[
    int, Path(description="Version of the model.", ge=1, le=10**MAX_VERSION_DIGITS - 1, openapi_examples={"first": Example(value=1)})
]


def model_of(request: Request, name: str, version: int | str | None = None) -> ServedModel:
    """The model of this name, its newest version unless `version` says which.

    Raises:
        ModelNotFound, VersionNotFound: there is none.
        BadQuestion: `version`, as it stands in the path, is no version.
    """
    return context_of(request).registry.get(name, None if version is None else _version(version))


def wrong_task(manifest: Manifest) -> WrongTask:
    """The error of a question for another task, naming the route that the model has."""
    return WrongTask(manifest.name, kind=manifest.task.kind, route=f"/v1/models/{manifest.name}/{manifest.task.kind}")


def _version(version: int | str) -> int:
    if isinstance(version, int):
        return version
    if version.isascii() and version.isdigit() and len(version) <= MAX_VERSION_DIGITS and int(version) > 0:
        return int(version)
    message = f"{version[:20]!r} is no version: a whole number from 1"
    raise BadQuestion(f"version: {message}", errors=[{"where": ["path", "version"], "message": message}])

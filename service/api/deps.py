"""What routes need: the registry, the settings, a model by the name and version in the path, the time that a caller gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Path
from fastapi.openapi.models import Example
from starlette.requests import Request
from starlette.types import Scope

from service.contract.manifest import Manifest
from service.contract.repository import MAX_VERSION_DIGITS
from service.errors import BadQuestion, WrongTask
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.observe.tracing import Tracing
from service.oip.reference import version_number
from service.sequences.sequences import Sequences
from service.served_model import ServedModel
from service.settings import Settings

if TYPE_CHECKING:
    from service.personal.words import PersonalWords  # it is imported where a file for them is named: it brings SQLite

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
_TIMEOUT = TIMEOUT_HEADER.lower().encode()
_VERSION_HEADER = b"x-model-version"
_ANSWERED_BY = "carousel.version"
"""Key of a scope: the version that answers the request."""


@dataclass(frozen=True, slots=True)
class Context:
    """What one application answers with; `app.context`."""

    registry: ModelRegistry
    settings: Settings
    telemetry: Telemetry
    sequences: Sequences
    tracing: Tracing | None = None
    personal: PersonalWords | None = None


def context_in(scope: Scope) -> Context:
    """The context of the application that got the request of this scope."""
    context: Context = scope["app"].context
    return context


def context_of(request: Request) -> Context:
    """The context of the application that got this request."""
    return context_in(request.scope)


async def _registry(request: Request) -> ModelRegistry:  # async: FastAPI would call a plain function in a thread
    return context_of(request).registry


Registry = Annotated[ModelRegistry, Depends(_registry)]
Version = Annotated[
    int, Path(description="Version of the model.", ge=1, le=10**MAX_VERSION_DIGITS - 1, openapi_examples={"first": Example(value=1)})
]


def model_of(request: Request, name: str, version: int | str | None = None) -> ServedModel:
    """The model that answers to this name, `model` or `model@label`; `version` says which one, as it stands in the path.

    The answer's header will name the version.

    Raises:
        ModelNotFound, VersionNotFound: there is none.
        BadQuestion: `version` is no version.
    """
    model = context_of(request).registry.resolve(name, version_number(version) if isinstance(version, str) else version)
    answered_by(request, model)
    return model


def answered_by(request: Request, model: ServedModel) -> None:
    """Let the answer's header name the version of this model."""
    request.scope[_ANSWERED_BY] = model.manifest.version


def version_header(scope: Scope) -> list[tuple[bytes, bytes]]:
    """`X-Model-Version` of an answer that a model gave; nothing for another."""
    version = scope.get(_ANSWERED_BY)
    return [] if version is None else [(_VERSION_HEADER, b"%d" % version)]


def timeout_s(request: Request, *, microseconds: int = 0) -> float:
    """Seconds until an answer is of no more use to the caller: the least of the service's own bound, the request's header, and a parameter.

    Raises:
        BadQuestion: the header is no number of milliseconds.
    """
    seconds = context_of(request).settings.timeout_s
    for name, value in request.scope["headers"]:
        if name == _TIMEOUT:
            seconds = min(seconds, _milliseconds(value) / 1000)
    return min(seconds, microseconds / 1_000_000) if microseconds else seconds


def wrong_task(manifest: Manifest) -> WrongTask:
    """The error of a question for another task, naming the route that the model has."""
    return WrongTask(manifest.name, kind=manifest.task.kind, route=f"/v1/models/{manifest.name}/{manifest.task.kind}")


def _milliseconds(value: bytes) -> int:
    if value.isdigit() and len(value) <= 12 and int(value) > 0:
        return int(value)
    message = f"{value[:20].decode('latin-1')!r} is no whole number of milliseconds from 1"
    raise BadQuestion(f"{TIMEOUT_HEADER}: {message}", errors=[{"where": ["header", TIMEOUT_HEADER], "message": message}])

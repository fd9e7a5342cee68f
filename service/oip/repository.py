"""Which versions of which models there are, and what may be asked when one is to be loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, Field

from service.errors import BadQuestion
from service.lifecycle.registry import ModelRegistry


class RepositoryEntry(BaseModel, defer_build=True):
    """One version of a model."""

    name: str = Field(description="The model.")
    version: str = Field(description="Its version.")
    state: Literal["READY", "UNAVAILABLE", "LOADING", "UNLOADING"] = Field(description="Whether it answers.")
    reason: str = Field(description="Why not, or why a newer copy of it does not.")


def repository_index(registry: ModelRegistry, *, ready: bool) -> list[RepositoryEntry]:
    """All versions that the service knows of, or those that answer."""
    return [
        RepositoryEntry(name=entry.name, version=str(entry.version), state=entry.state, reason=entry.reason)
        for entry in registry.index()
        if entry.state == "READY" or not ready
    ]


def refuse_load_parameters(parameters: Iterable[str]) -> None:
    """Do nothing where a model is to be loaded as it is.

    Raises:
        BadQuestion: it is to be another.
    """
    for parameter in parameters:
        message = "models come from the model folder alone: publish a version there, then load it without parameters"
        raise BadQuestion(f"parameters.{parameter}: {message}", errors=[{"where": ["parameters", parameter], "message": message}])

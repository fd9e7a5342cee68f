"""The model repository: which versions there are, loading and unloading a model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from google.protobuf.json_format import ParseDict

from service.errors import BadQuestion
from service.grpc_api import messages
from service.lifecycle.registry import ModelRegistry
from service.oip.repository import refuse_load_parameters, repository_index


@dataclass(frozen=True, slots=True)
class Repository:
    """The models of a registry, and their changes."""

    registry: ModelRegistry

    def index(self, request: messages.RepositoryIndexRequest) -> messages.RepositoryIndexResponse:
        """All versions that the service knows of, those that do not answer with the reason."""
        _check_repository(request.repository_name)
        entries = repository_index(self.registry, ready=request.ready)
        return ParseDict({"models": [entry.model_dump() for entry in entries]}, messages.RepositoryIndexResponse())

    async def load(self, request: messages.RepositoryModelLoadRequest, _left_s: float | None) -> messages.RepositoryModelLoadResponse:
        """Load what the model folder has of a model, or load it again."""
        _check_repository(request.repository_name)
        refuse_load_parameters(request.parameters)
        await asyncio.to_thread(self.registry.load, request.model_name)
        return messages.RepositoryModelLoadResponse(model_name=request.model_name, isLoaded=True)

    async def unload(self, request: messages.RepositoryModelUnloadRequest, _left_s: float | None) -> messages.RepositoryModelUnloadResponse:
        """Answer for a model no longer."""
        _check_repository(request.repository_name)
        await asyncio.to_thread(self.registry.unload, request.model_name)
        return messages.RepositoryModelUnloadResponse(model_name=request.model_name, isUnloaded=True)


def _check_repository(name: str) -> None:
    if name:
        raise BadQuestion(f"repository_name {name[:40]!r}: there is one repository, which has no name: leave this empty")

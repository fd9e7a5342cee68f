"""What is served: the server, its models, how they are run and what they have done."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.json_format import ParseDict

from service.errors import LabelNotFound, ModelNotFound, VersionNotFound
from service.grpc_api import messages
from service.grpc_api.inference import found_model
from service.lifecycle.registry import ModelRegistry
from service.oip.metadata import model_metadata
from service.oip.model_config import model_config
from service.oip.reference import asked_versions
from service.oip.server import server_metadata
from service.oip.statistics import model_statistics
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tells of the models of a registry."""

    registry: ModelRegistry
    settings: Settings

    def server_live(self, _request: messages.ServerLiveRequest) -> messages.ServerLiveResponse:
        """True as long as the process answers."""
        return messages.ServerLiveResponse(live=True)

    def server_ready(self, _request: messages.ServerReadyRequest) -> messages.ServerReadyResponse:
        """True while at least one model is served and the service is not stopping."""
        return messages.ServerReadyResponse(ready=self.registry.ready)

    def server_metadata(self, _request: messages.ServerMetadataRequest) -> messages.ServerMetadataResponse:
        """Name, release and extensions."""
        return ParseDict(server_metadata(self.settings, http=False).model_dump(), messages.ServerMetadataResponse())

    def model_ready(self, request: messages.ModelReadyRequest) -> messages.ModelReadyResponse:
        """False for a model or a version that is not served."""
        try:
            found_model(self.registry, request.name, request.version)
        except (ModelNotFound, VersionNotFound, LabelNotFound):
            return messages.ModelReadyResponse(ready=False)
        return messages.ModelReadyResponse(ready=True)

    def model_metadata(self, request: messages.ModelMetadataRequest) -> messages.ModelMetadataResponse:
        """Tensors and versions of a model."""
        model = found_model(self.registry, request.name, request.version)
        told = model_metadata(model, self.registry.versions(model.manifest.name))
        return ParseDict(told.model_dump(), messages.ModelMetadataResponse())

    def model_config(self, request: messages.ModelConfigRequest) -> messages.ModelConfigResponse:
        """How a model is run."""
        model = found_model(self.registry, request.name, request.version)
        config = model_config(model, self.settings, self.registry.versions(model.manifest.name))
        return messages.ModelConfigResponse(config=ParseDict(config.model_dump(exclude_none=True), messages.ModelConfig()))

    def model_statistics(self, request: messages.ModelStatisticsRequest) -> messages.ModelStatisticsResponse:
        """Counts and times of all models, of one, or of one version."""
        if request.version:
            models = [found_model(self.registry, request.name, request.version)]
        else:
            models = asked_versions(self.registry, request.name)
        return ParseDict(model_statistics(models).model_dump(), messages.ModelStatisticsResponse())

"""What the protocol says of a server: its name, its release, and which extensions work."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service import __version__
from service.sequences.opening import keeps_sequences
from service.settings import Settings

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "generate",
    "model_configuration",
    "schedule_policy",
    "statistics",
)
SEQUENCE_EXTENSIONS = ("sequence", "sequence(string_id)")
"""Of a service that keeps states between requests."""
REPOSITORY_EXTENSION = "model_repository"
"""Of a service that loads and unloads models on request."""
HTTP_EXTENSIONS = frozenset({"binary_tensor_data", "generate"})
"""Those that are defined for HTTP alone."""


class ServerMetadata(BaseModel, defer_build=True):
    """What the protocol says of a server."""

    name: str = Field(description="`carousel`.")
    version: str = Field(description="Release of Carousel.")
    extensions: list[str] = Field(description="Extensions of the protocol that work here.")


def server_metadata(settings: Settings, *, http: bool) -> ServerMetadata:
    """That of this service as it is asked over HTTP, or else over gRPC."""
    extensions = set(EXTENSIONS) if http else set(EXTENSIONS) - HTTP_EXTENSIONS
    if settings.repository_mode != "none":
        extensions.add(REPOSITORY_EXTENSION)
    if keeps_sequences(settings):
        extensions.update(SEQUENCE_EXTENSIONS)
    return ServerMetadata(name="carousel", version=__version__, extensions=sorted(extensions))

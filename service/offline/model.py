"""The model that a file is scored with: loaded and checked as a server does it."""

from __future__ import annotations

from service.contract.repository import Location, locations
from service.errors import ModelNotFound, VersionNotFound
from service.served_model import ServedModel
from service.settings import Settings


def open_model(settings: Settings, wanted: str) -> ServedModel:
    """The model `NAME` or `NAME@VERSION` of the model folder, the newest version unless one is named.

    Raises:
        ModelNotFound, VersionNotFound: there is no such artifact.
        ArtifactError, StartupError: it must not be served, or its device or backend is not there.
    """
    name, _, version = wanted.partition("@")
    return ServedModel.load(_locate(settings, name, version), root=settings.models, settings=settings)


def _locate(settings: Settings, name: str, version: str) -> Location:
    found = list(locations(settings.models))
    versions = {str(location.version): location for location in found if location.name == name}
    if not versions:
        raise ModelNotFound(name, available=sorted({location.name for location in found}))
    if not version:
        return list(versions.values())[-1]
    if version not in versions:
        raise VersionNotFound(name, version, available=[location.version for location in versions.values()])
    return versions[version]

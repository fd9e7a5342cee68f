"""Every model that is served, by name and version."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from service.contract.manifest import ArtifactError
from service.contract.repository import Location, locations
from service.errors import ModelNotFound, StartupError, VersionNotFound
from service.served_model import ServedModel
from service.settings import Settings
from service.telemetry import Telemetry

logger = logging.getLogger(__name__)

LOADERS = 4
"""Models loaded at the same time."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An artifact that is not served, and why."""

    name: str
    version: int
    reason: str


class ModelRegistry:
    """Loads every artifact below `settings.models`; looking a model up is free of locks."""

    def __init__(self, settings: Settings, telemetry: Telemetry | None = None) -> None:
        self.refused: list[Refusal] = []
        self._settings = settings
        self._telemetry = telemetry or Telemetry.create()
        self._models: dict[str, dict[int, ServedModel]] = {}  # versions rising
        self._loaded = False

    def load_all(self) -> None:
        """Load every version of every model; a broken one is refused, logged and listed in `refused`, and stops no other.

        Done once: a second call does nothing.

        Raises:
            StartupError: no such folder, or the device or backend that was asked for is not there.
        """
        if self._loaded:
            return
        root = self._settings.models
        if not root.is_dir():
            raise StartupError(f"no model folder {root}: create it, publish a model into it, or name another with --models")
        found = list(locations(root))
        with ThreadPoolExecutor(LOADERS, "loader") as pool:
            results = list(pool.map(self._load, found))
        for location, result in zip(found, results, strict=True):
            self._take(location, result)
        unavailable = next((result for result in results if isinstance(result, StartupError)), None)
        if unavailable is not None:
            self.close()
            raise unavailable
        self._loaded = True
        if not self._models:
            logger.warning("no model is served: publish one into %s and start again", root)

    def get(self, name: str, version: int | None = None) -> ServedModel:
        """A model by name; the newest version unless one is named.

        Raises:
            ModelNotFound: no such name here.
            VersionNotFound: the name, but not this version.
        """
        versions = self._models.get(name)
        if versions is None:
            raise ModelNotFound(name, available=list(self._models))
        if version is None:
            return versions[next(reversed(versions))]
        if version not in versions:
            raise VersionNotFound(name, version, available=list(versions))
        return versions[version]

    def newest(self) -> list[ServedModel]:
        """The newest version of every model, by name."""
        return [self.get(name) for name in self._models]

    def versions(self, name: str) -> list[int]:
        """Versions of a model, rising.

        Raises:
            ModelNotFound: no such name here.
        """
        if name not in self._models:
            raise ModelNotFound(name, available=list(self._models))
        return list(self._models[name])

    def close(self) -> None:
        """Finish what waits for the models, within `drain_s` seconds altogether, and free them. Blocks."""
        models: Sequence[ServedModel] = [model for versions in self._models.values() for model in versions.values()]
        self._models = {}
        if not models:
            return
        with ThreadPoolExecutor(len(models), "closer") as pool:
            list(pool.map(lambda model: model.close(self._settings.drain_s), models))

    def _load(self, location: Location) -> ServedModel | Exception:
        try:
            return ServedModel.load(location, root=self._settings.models, settings=self._settings, telemetry=self._telemetry)
        except Exception as error:  # whatever is wrong with one artifact must not stop the others
            return error

    def _take(self, location: Location, result: ServedModel | Exception) -> None:
        match result:
            case ServedModel():
                self._models.setdefault(location.name, {})[location.version] = result
                logger.info("loaded %s version %d: %s on %s", location.name, location.version, result.manifest.task.kind, result.device)
            case StartupError():
                pass  # not the artifact's fault: raised once all are through
            case ArtifactError() | OSError():
                self._refuse(location, str(result))
            case _:
                logger.error("%s version %d broke while it was loaded", location.name, location.version, exc_info=result)
                self._refuse(location, f"{type(result).__name__}: {result}")

    def _refuse(self, location: Location, reason: str) -> None:
        logger.warning("refused %s version %d: %s", location.name, location.version, reason)
        self.refused.append(Refusal(location.name, location.version, reason))

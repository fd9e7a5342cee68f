"""Every model that is served, by name and version; loading, replacing and unloading them while they answer."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.errors import BadQuestion, LabelNotFound, ModelNotFound, VersionNotFound
from service.lifecycle.changes import Changes
from service.lifecycle.succession import IndexEntry, Served
from service.observe.model_metrics import State
from service.observe.telemetry import Telemetry
from service.served_model import ServedModel
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Refusal:
    """An artifact that is not served, and why."""

    name: str
    version: int
    reason: str


class ModelRegistry:
    """The models of `settings.models`; looking one up is free of locks.

    What they do is counted in `telemetry`. `draw` gives the numbers from 0 up to 1 by which labels get their shares of the traffic.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry | None = None, *, draw: Callable[[], float] = random.random) -> None:
        self.telemetry = telemetry or Telemetry.create()
        self._changes = Changes(settings, self.telemetry)
        self._draw = draw
        self._loaded = False
        self._stopping = threading.Event()
        self.telemetry.models.states = lambda: [State(one.name, one.version, one.state, one.reason) for one in self._changes.own_index()]

    @property
    def ready(self) -> bool:
        """Whether questions are welcome: a model is served, and the service is not about to stop."""
        return bool(self._changes.served) and not self._stopping.is_set()

    @property
    def refused(self) -> list[Refusal]:
        """Artifacts that are at fault, and why."""
        return [Refusal(entry.name, entry.version, entry.reason) for entry in self.index() if entry.refused]

    def load_all(self) -> None:
        """Load every model; a broken version is refused, logged and listed in `refused`, and stops no other.

        Done once: a second call does nothing. In mode `poll`, looks at the folder again and again from then on.

        Raises:
            StartupError: no such folder, or the device or backend that was asked for is not there.
        """
        if not self._loaded:
            self._changes.start()
            self._loaded = True

    def get(self, name: str, version: int | None = None) -> ServedModel:
        """A model by name; the newest version unless one is named.

        Raises:
            ModelNotFound: no such name here.
            VersionNotFound: the name, but not this version.
        """
        versions = self._of(name).versions
        return _version(name, versions, max(versions) if version is None else version)

    def resolve(self, reference: str, version: int | None = None) -> ServedModel:
        """The model that is to answer: `name` or `name@label`, and the version where one is named.

        Of a name alone, labels with a share get theirs, and `stable` or else the newest version gets the rest.

        Raises:
            ModelNotFound, VersionNotFound, LabelNotFound: there is none.
            BadQuestion: a label and a version.
        """
        name, at, label = reference.partition("@")
        served = self._of(name)
        if version is not None:
            if at:
                raise BadQuestion(f"{reference!r} and version {version}: name a label or a version, not both")
            return _version(name, served.versions, version)
        if not at:
            return _version(name, served.unversioned, served.traffic.choose(served.versions, self._draw))
        labelled = served.traffic.version_of(label)
        if labelled is None:
            raise LabelNotFound(name, label, available=list(served.traffic.labels))
        return _version(name, served.unversioned, labelled)

    def newest(self) -> list[ServedModel]:
        """The newest version of every model, by name."""
        return [self.get(name) for name in self._changes.served]

    def versions(self, name: str) -> list[int]:
        """Versions of a model, rising.

        Raises:
            ModelNotFound: no such name here.
        """
        return list(self._of(name).versions)

    def index(self) -> list[IndexEntry]:
        """Where every artifact stands that is or was in the folder, by name and version.

        Where there are several workers, it is told of the one in which an artifact stands least.
        """
        return self._changes.index()

    def load(self, name: str) -> None:
        """Load what is now in a model's folder, whether it has changed or not; what answered before goes on until then. Blocks.

        Where there are other workers, they do the same, and have done it when this returns.

        Raises:
            RepositoryClosed: the mode is `none`.
            ModelNotFound: neither served nor in the folder.
            LoadFailed: not all of it could be loaded.
            WorkersBehind: other workers have not done it in time.
        """
        self._changes.load(name)

    def unload(self, name: str) -> None:
        """Serve a model no longer, in no worker; what it was asked before is still answered.

        It comes back by `load`, or in mode `poll` when its folder changes.

        Raises:
            RepositoryClosed: the mode is `none`.
            ModelNotFound: it is not served.
            WorkersBehind: other workers have not done it in time.
        """
        self._changes.unload(name)

    def announce_stop(self) -> None:
        """Be ready no longer and change nothing, but go on answering."""
        self._stopping.set()
        self._changes.stop()

    def close(self) -> None:
        """Finish what waits for the models, within `drain_s` seconds altogether, and free them. Blocks."""
        self._stopping.set()
        self._changes.close()

    def _of(self, name: str) -> Served:
        served = self._changes.served.get(name)
        if served is None:
            raise ModelNotFound(name, available=list(self._changes.served))
        return served


def _version(name: str, versions: Mapping[int, ServedModel], version: int) -> ServedModel:
    if version not in versions:
        raise VersionNotFound(name, version, available=list(versions))
    return versions[version]

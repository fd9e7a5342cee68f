"""Every model that is served, by name and version; loading, replacing and unloading them while they answer."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from service.contract.repository import Location
from service.errors import (
    BadQuestion,
    LabelNotFound,
    LoadFailed,
    ModelNotFound,
    RepositoryClosed,
    ShuttingDown,
    StartupError,
    VersionNotFound,
)
from service.lifecycle.folder_watch import FolderWatch
from service.lifecycle.succession import IndexEntry, Served
from service.lifecycle.update import Updater
from service.observe.model_metrics import State
from service.observe.telemetry import Telemetry
from service.served_model import ServedModel
from service.settings import Settings

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
    """The models of `settings.models`; looking one up is free of locks.

    `draw` gives the numbers from 0 up to 1 by which labels get their shares of the traffic.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry | None = None, *, draw: Callable[[], float] = random.random) -> None:
        telemetry = telemetry or Telemetry.create()
        telemetry.models.states = lambda: [State(one.name, one.version, one.state, one.reason) for one in self.index()]
        self._settings = settings
        self._updater = Updater(settings, telemetry)
        self._draw = draw
        self._served: Mapping[str, Served] = {}  # replaced, never changed
        self._changing = threading.Lock()  # guards replacing `_served`, and `_turns`
        self._turns: dict[str, threading.Lock] = {}  # model -> one change at a time
        self._loaded = False
        self._stopping = threading.Event()
        self._watch = FolderWatch(settings.models, self._refresh, interval_s=settings.poll_interval_s)

    @property
    def ready(self) -> bool:
        """Whether questions are welcome: a model is served, and the service is not about to stop."""
        return bool(self._served) and not self._stopping.is_set()

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
        if self._loaded:
            return
        root = self._settings.models
        if not root.is_dir():
            raise StartupError(f"no model folder {root}: create it, publish a model into it, or name another with --models")
        self._watch.look()  # before loading: what changes meanwhile is seen
        found = self._updater.found()
        with ThreadPoolExecutor(LOADERS, "loader") as pool:
            updates = [pool.submit(self._update, name, versions) for name, versions in found.items()]
        unavailable = next((error for update in updates if (error := update.exception()) is not None), None)
        if unavailable is not None:
            self.close()
            raise unavailable
        self._loaded = True
        if not self._served:
            logger.warning("no model is served: publish one into %s and start again", root)
        if self._settings.repository_mode == "poll":
            self._watch.start()

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
        return [self.get(name) for name in self._served]

    def versions(self, name: str) -> list[int]:
        """Versions of a model, rising.

        Raises:
            ModelNotFound: no such name here.
        """
        return list(self._of(name).versions)

    def index(self) -> list[IndexEntry]:
        """Where every artifact stands that is or was in the folder, by name and version."""
        return self._updater.board.entries()

    def load(self, name: str) -> None:
        """Load what is now in a model's folder, whether it has changed or not; what answered before goes on until then. Blocks.

        Raises:
            RepositoryClosed: the mode is `none`.
            ModelNotFound: neither served nor in the folder.
            LoadFailed: not all of it could be loaded.
        """
        self._check_open()
        found = self._updater.found().get(name, [])
        if not found and name not in self._served:
            raise ModelNotFound(name, available=list(self._served))
        try:
            reason = self._update(name, found, anew=True) if found else "its folder holds no version"
        except StartupError as error:
            reason = str(error)
        if reason:
            raise LoadFailed(name, reason, served=self.versions(name) if name in self._served else [])

    def unload(self, name: str) -> None:
        """Serve a model no longer; what it was asked before is still answered. It comes back by `load`, or when its folder changes.

        Raises:
            RepositoryClosed: the mode is `none`.
            ModelNotFound: it is not served.
        """
        self._check_open()
        self._of(name)
        self._withdraw(name)

    def announce_stop(self) -> None:
        """Be ready no longer, but go on answering."""
        self._stopping.set()

    def close(self) -> None:
        """Finish what waits for the models, within `drain_s` seconds altogether, and free them. Blocks."""
        self._stopping.set()
        with self._changing:
            served, self._served = self._served, {}
        deadline = time.monotonic() + self._settings.drain_s
        self._watch.stop(self._settings.drain_s)
        models = [model for one in served.values() for model in one.versions.values()]
        if models:
            with ThreadPoolExecutor(len(models), "closer") as pool:
                list(pool.map(lambda model: model.close(max(deadline - time.monotonic(), 0.0)), models))
        self._updater.wait(max(deadline - time.monotonic(), 0.0))

    def _of(self, name: str) -> Served:
        served = self._served.get(name)
        if served is None:
            raise ModelNotFound(name, available=list(self._served))
        return served

    def _check_open(self) -> None:
        if self._stopping.is_set():
            raise ShuttingDown
        if self._settings.repository_mode == "none":
            raise RepositoryClosed

    def _turn(self, name: str) -> threading.Lock:
        with self._changing:
            return self._turns.setdefault(name, threading.Lock())

    def _update(self, name: str, found: list[Location], *, anew: bool = False) -> str:
        """Serve what is in the folder; what went wrong, if anything."""
        with self._turn(name):
            before = self._served.get(name)
            after, reason = self._updater.updated(name, found, before, anew=anew)
            self._replace(name, after)
            self._updater.withdraw(before, after)
            return reason

    def _refresh(self, name: str) -> None:
        try:
            self._update(name, self._updater.found().get(name, []))
        except StartupError as error:
            logger.warning("%s was not loaded: %s", name, error)

    def _withdraw(self, name: str) -> None:
        with self._turn(name):
            before = self._served.get(name)
            self._replace(name, None)
            self._updater.withdraw(before, None)

    def _replace(self, name: str, served: Served | None) -> None:
        with self._changing:
            others = {other: one for other, one in self._served.items() if other != name}
            self._served = dict(sorted({**others, name: served}.items())) if served else others


def _version(name: str, versions: Mapping[int, ServedModel], version: int) -> ServedModel:
    if version not in versions:
        raise VersionNotFound(name, version, available=list(versions))
    return versions[version]

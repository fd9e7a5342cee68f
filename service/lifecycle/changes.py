"""Every change of what is served: one after the other for each model, in all workers, while requests are answered."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from service.contract.repository import Location, model_names
from service.errors import LoadFailed, ModelNotFound, RepositoryClosed, ShuttingDown, StartupError
from service.lifecycle.folder_watch import FolderWatch, state_of
from service.lifecycle.order import Order
from service.lifecycle.succession import IndexEntry, Served
from service.lifecycle.update import Updater
from service.observe.telemetry import Telemetry
from service.settings import Settings

if TYPE_CHECKING:
    from service.lifecycle.following import Following

logger = logging.getLogger(__name__)

LOADERS = 4
"""Models loaded at the same time."""
FOLDER = "models"
"""Of the workers' folder, the part in which they agree on what is served."""
NO_VERSION = "its folder holds no version"
UNREADABLE = "its folder cannot be read"


class Changes:
    """Loads, replaces and unloads the models of `settings.models`; `served` is what answers now, and is replaced, never changed."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self.served: Mapping[str, Served] = {}
        self._settings = settings
        self._updater = Updater(settings, telemetry)
        self._changing = threading.Lock()  # guards replacing `served`, and `_turns`
        self._turns: dict[str, threading.Lock] = {}  # model -> one change at a time
        self._explicit = settings.repository_mode == "explicit"
        self._stopping = False
        self._watch = FolderWatch(settings.models, self._refresh, interval_s=settings.poll_interval_s)
        self._following = self._followed()

    def start(self) -> None:
        """Load what is to be served; a broken version is refused and stops no other. From then on follow the folder, and other workers.

        Raises:
            StartupError: no such folder, or the device or backend that was asked for is not there.
        """
        root = self._settings.models
        if not root.is_dir():
            raise StartupError(f"no model folder {root}: create it, publish a model into it, or name another with --models")
        wanted = self._wanted(self._found_at_start())
        with ThreadPoolExecutor(LOADERS, "loader") as pool:
            updates = [pool.submit(self._update, name, versions) for name, versions in wanted.items()]
        unavailable = next((error for update in updates if (error := update.exception()) is not None), None)
        if unavailable is not None:
            self.close()
            raise unavailable
        if not self.served:
            logger.warning("no model is served: publish one into %s and start again", root)
        if self._following is not None:
            self._following.start()
        if self._settings.repository_mode == "poll":
            self._watch.start()

    def index(self) -> list[IndexEntry]:
        """Where every artifact stands, in the worker in which it stands least."""
        return self.own_index() if self._following is None else self._following.index()

    def own_index(self) -> list[IndexEntry]:
        """Where every artifact stands in this process."""
        return self._updater.board.entries()

    def load(self, name: str) -> None:
        """Load what is in a model's folder; raises what `ModelRegistry.load` raises."""
        self._check_open()
        try:
            found = self._updater.found(name)
        except OSError as error:
            reason = f"{UNREADABLE}: {error.strerror}"
        else:
            if not found and name not in self.served:
                raise ModelNotFound(name, available=list(self.served))
            reason = self._change(name, serve=True) if found else NO_VERSION
        if reason:
            raise LoadFailed(name, reason, served=list(self.served[name].versions) if name in self.served else [])

    def unload(self, name: str) -> None:
        """Serve a model no longer; raises what `ModelRegistry.unload` raises."""
        self._check_open()
        if name not in self.served and not self._served_elsewhere(name):
            raise ModelNotFound(name, available=list(self.served))
        if reason := self._change(name, serve=False):
            raise LoadFailed(name, reason, served=[])

    def stop(self) -> None:
        """Take no more wishes for a change."""
        self._stopping = True

    def close(self) -> None:
        """Finish what waits for the models, within `drain_s` seconds altogether, and free them. Blocks."""
        self._stopping = True
        with self._changing:
            served, self.served = self.served, {}
        deadline = time.monotonic() + self._settings.drain_s
        self._watch.stop(deadline - time.monotonic())
        if self._following is not None:
            self._following.stop(max(deadline - time.monotonic(), 0.0))
        models = [model for one in served.values() for model in one.versions.values()]
        if models:
            with ThreadPoolExecutor(len(models), "closer") as pool:
                list(pool.map(lambda model: model.close(max(deadline - time.monotonic(), 0.0)), models))
        self._updater.wait(max(deadline - time.monotonic(), 0.0))

    def _followed(self) -> Following | None:
        """The other workers, where there are any and what is served may change."""
        if self._settings.worker_folder is None or self._settings.repository_mode == "none":
            return None
        from service.lifecycle.following import Following  # here, as it locks files, which not every system does in this way

        return Following(self._settings.worker_folder / FOLDER, obey=self._obey, index=self.own_index)

    def _found_at_start(self) -> dict[str, list[Location]]:
        """What is in the folder: name -> versions."""
        try:
            self._watch.look()  # before loading: what changes meanwhile is seen
            names = model_names(self._settings.models)
        except OSError as error:
            raise StartupError(f"the model folder cannot be read: {error}: let the user of this service read and enter it") from error
        found: dict[str, list[Location]] = {}
        for name in names:
            try:
                found[name] = self._updater.found(name)
            except OSError as error:
                logger.warning("%s is not served: %s: %s", name, UNREADABLE, error.strerror)
        return found

    def _wanted(self, found: Mapping[str, list[Location]]) -> dict[str, list[Location]]:
        """What to load at the start: what is in the folder, and in a worker that comes later what the others were told to serve."""
        if self._following is None:
            return dict(found)
        first = {name: Order.first(versions) for name, versions in found.items()} if self._explicit else {}  # else the folder says it
        try:
            orders = self._following.join(first)
        except (OSError, ValueError) as error:
            self._following.stop(0)
            raise StartupError(f"the workers cannot share {self._settings.worker_folder}: {error}: make it writable") from error
        wanted = {name: self._chosen(name, versions, orders.get(name)) for name, versions in found.items()}
        for name in found:
            if not wanted[name] and name in orders:
                self._updater.leave(found[name])
        return {name: versions for name, versions in wanted.items() if versions}

    def _chosen(self, name: str, found: list[Location], order: Order | None) -> list[Location]:
        """Of what is in the folder of a model, that which is to be served."""
        if self._following is None:
            return found
        if order is None:
            return [] if self._explicit else found
        return order.chosen(found, state_of(self._settings.models, name, found), explicit=self._explicit)

    def _change(self, name: str, *, serve: bool) -> str:
        """Load or unload a model, here and in the other workers; what went wrong, if anything."""
        if self._following is not None:
            return self._following.order(name, partial(self._order, name, serve), timeout_s=self._settings.timeout_s)
        with self._turn(name):
            return self._load(name, self._updater.found(name)) if serve else self._withdraw(name)

    def _order(self, name: str, serve: bool, number: int) -> Order:
        found = self._updater.found(name)
        return Order(number, serve, tuple(one.version for one in found), state_of(self._settings.models, name, found))

    def _obey(self, name: str, order: Order) -> str:
        """Do what all workers were told; what went wrong, if anything."""
        with self._turn(name):
            chosen = self._chosen(name, self._updater.found(name), order)
            return self._load(name, chosen) if order.serve or chosen else self._withdraw(name)

    def _refresh(self, name: str) -> None:
        """Serve what is in the folder now, unless the model was unloaded and nothing has changed since."""
        with self._turn(name):
            found = self._updater.found(name)
            order = None if self._following is None else self._following.order_of(name)
            chosen = self._chosen(name, found, order)
            if found and not chosen:
                self._withdraw(name)
                return
            try:
                self._update(name, found)
            except StartupError as error:
                logger.warning("%s was not loaded: %s", name, error)

    def _served_elsewhere(self, name: str) -> bool:
        """Whether the workers were told to serve a model, so that others may serve what this one could not load."""
        order = None if self._following is None else self._following.order_of(name)
        return order is not None and order.serve

    def _check_open(self) -> None:
        if self._stopping:
            raise ShuttingDown
        if self._settings.repository_mode == "none":
            raise RepositoryClosed

    # inside the model's turn

    def _load(self, name: str, found: list[Location]) -> str:
        """Load these versions, whether they have changed or not."""
        if not found:
            return NO_VERSION
        try:
            return self._update(name, found, anew=True)
        except StartupError as error:
            return str(error)

    def _update(self, name: str, found: list[Location], *, anew: bool = False) -> str:
        before = self.served.get(name)
        after, reason = self._updater.updated(name, found, before, anew=anew)
        self._replace(name, after)
        self._updater.withdraw(before, after)
        return reason

    def _withdraw(self, name: str) -> str:
        before = self.served.get(name)
        self._replace(name, None)
        self._updater.withdraw(before, None)
        return ""

    def _turn(self, name: str) -> threading.Lock:
        with self._changing:
            return self._turns.setdefault(name, threading.Lock())

    def _replace(self, name: str, served: Served | None) -> None:
        with self._changing:
            others = {other: one for other, one in self.served.items() if other != name}
            self.served = dict(sorted({**others, name: served}.items())) if served else others

"""Bringing what is served of one model in line with its folder: new before old, and a failure changes nothing that answers."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial

from service.cgroup import session_threads, usable_cores
from service.contract.manifest import ArtifactError
from service.contract.repository import Location, versions
from service.errors import StartupError
from service.lifecycle.succession import Board, IndexEntry, Plan, Served, fingerprint, retire, succeeding
from service.lifecycle.traffic import Traffic, chosen, read_traffic
from service.observe.model_metrics import Watched
from service.observe.telemetry import Telemetry
from service.served_model import ServedModel
from service.settings import Settings
from service.tasks.memory import LruMemory, MemoryPool

logger = logging.getLogger(__name__)

MAX_REASON = 500
"""Characters of a reason that are told: an artifact may bring any name, and reasons are in every index, log and answer."""
UNLOADED = "unloaded"
"""Why a version that is in the folder and is not at fault does not answer."""


class Updater:
    """Loads, replaces and withdraws versions, and writes on `board` where each stands.

    That a model is updated once at a time is the caller's care.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self.board = Board()
        cores = usable_cores()
        threads = session_threads(settings.threads, cores=cores, workers=settings.workers)
        if threads < settings.threads:
            logger.warning(
                "%d threads for each model instead of %d: %d cores, %d workers", threads, settings.threads, cores, settings.workers
            )
        self._settings = settings.model_copy(update={"threads": threads})
        self._running = threading.BoundedSemaphore(max(1, cores // (settings.workers * threads))) if threads > 1 else None
        self._telemetry = telemetry
        self._memories = MemoryPool(settings.state_cache_mb * 1_000_000) if settings.state_cache_mb else None
        self._fingerprints: dict[tuple[str, int], Hashable] = {}
        self._counting = threading.Lock()  # guards the next two, and `_fingerprints`
        self._living: Counter[tuple[str, int]] = Counter()  # models of a version that are not closed yet; several while it is replaced
        self._retiring: list[threading.Thread] = []

    def found(self, name: str) -> list[Location]:
        """What lies in a model's folder: its versions, rising.

        Raises:
            OSError: the folder cannot be read.
        """
        return versions(self._settings.models, name)

    def updated(self, name: str, found: Sequence[Location], served: Served | None, *, anew: bool) -> tuple[Served | None, str]:
        """What answers for a model from now on, and what went wrong, if anything. `anew` loads again what has not changed, too.

        Raises:
            StartupError: the device or backend that was asked for is not there.
        """
        try:
            traffic = read_traffic(self._settings.models / name)
        except ArtifactError as error:
            versions = list(served.versions) if served else [location.version for location in found]
            self._show(name, versions, served, dict.fromkeys(versions, str(error)))
            return served, str(error)
        plan = self._plan(found, served, traffic, anew=anew)
        loaded, reasons = self._loaded(plan, served)
        after, wrong = succeeding(served, plan, loaded)
        for model in loaded.values():
            self._telemetry.watch_model(_watched(model))
        if wrong:
            logger.warning("%s: %s", name, wrong)
        self._show(name, [location.version for location in found], after, reasons, otherwise=wrong)
        told = [f"version {version}: {reason}" for version, reason in reasons.items()]
        return (after if after.versions else None), "; ".join([*told, *([wrong] if wrong else [])])

    def withdraw(self, before: Served | None, after: Served | None) -> None:
        """Close what answers no longer, once the last request has let go of it; it must not be found any more when this is called."""
        staying = {id(model) for model in after.versions.values()} if after else set()
        for version, model in before.versions.items() if before else ():
            if id(model) in staying:
                continue
            name = model.manifest.name
            if after is None or version not in after.versions:
                self.board.show(IndexEntry(name, version, "UNLOADING"))
            then = partial(self._gone, Location(name, version, model.artifact.folder))
            retiring = retire(model, drain_s=self._settings.drain_s, then=then)
            with self._counting:
                self._retiring = [*(thread for thread in self._retiring if thread.is_alive()), retiring]

    def leave(self, found: Sequence[Location]) -> None:
        """Show that versions are there and are not served, as after they were unloaded."""
        for location in found:
            self.board.show(IndexEntry(location.name, location.version, "UNAVAILABLE", UNLOADED))

    def wait(self, timeout_s: float) -> None:
        """Wait for what is being closed, `timeout_s` seconds altogether."""
        deadline = time.monotonic() + timeout_s
        for thread in self._retiring:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _plan(self, found: Sequence[Location], served: Served | None, traffic: Traffic, *, anew: bool) -> Plan:
        by_version = {location.version: location for location in found}
        before = served.versions if served else {}
        wanted = [by_version[version] for version in chosen(self._settings.version_policy, by_version, traffic)]
        keep = {
            location.version: before[location.version]
            for location in wanted
            if location.version in before
            and not anew
            and self._fingerprints.get((location.name, location.version)) == fingerprint(location.folder)
        }
        return Plan(keep, [location for location in wanted if location.version not in keep], traffic)

    def _loaded(self, plan: Plan, served: Served | None) -> tuple[dict[int, ServedModel], dict[int, str]]:
        before = served.versions if served else {}
        loaded: dict[int, ServedModel] = {}
        reasons: dict[int, str] = {}
        for location in plan.load:
            if location.version not in before:
                self.board.show(IndexEntry(location.name, location.version, "LOADING"))
            try:
                loaded[location.version] = self._load(location, before.get(location.version))
            except StartupError as error:
                self._abandon(plan, loaded, before, str(error))
                raise
            except (ArtifactError, OSError) as error:
                reasons[location.version] = self._refuse(location, str(error))
            except Exception as error:  # whatever is wrong with one artifact must not stop the others
                logger.exception("%s version %d broke while it was loaded", location.name, location.version)
                reasons[location.version] = self._refuse(location, f"{type(error).__name__}: {error}")
        return loaded, reasons

    def _abandon(self, plan: Plan, loaded: Mapping[int, ServedModel], before: Mapping[int, ServedModel], reason: str) -> None:
        for version, model in loaded.items():
            model.close(0)
            with self._counting:
                self._living[model.manifest.name, version] -= 1
        for location in plan.load:
            if location.version not in before:
                self.board.show(IndexEntry(location.name, location.version, "UNAVAILABLE", reason))

    def _load(self, location: Location, before: ServedModel | None) -> ServedModel:
        seen = fingerprint(location.folder)
        model = ServedModel.load(
            location,
            root=self._settings.models,
            settings=self._settings,
            meter=before.batcher.meter if before else None,
            running=self._running,
            memory=self._memory(before),
        )
        with self._counting:
            self._living[location.name, location.version] += 1
            self._fingerprints[location.name, location.version] = seen
        what = (model.manifest.task.kind, model.precision, model.device)
        logger.info("loaded %s version %d: %s in %s on %s", location.name, location.version, *what)
        return model

    def _memory(self, before: ServedModel | None) -> LruMemory | None:
        """Where a model remembers what it reads: nothing that another one has read, even of its own version."""
        if self._memories is None:
            return None
        return LruMemory(self._memories, before.memory.recall) if before and before.memory else LruMemory(self._memories)

    def _refuse(self, location: Location, reason: str) -> str:
        reason = reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."
        logger.warning("refused %s version %d: %s", location.name, location.version, reason)
        self._fingerprints.pop((location.name, location.version), None)  # what is on the disk is not what answers: look again next time
        return reason

    def _show(self, name: str, versions: Iterable[int], after: Served | None, reasons: Mapping[int, str], *, otherwise: str = "") -> None:
        """Write where each version stands; `reasons` say what is wrong with some, `otherwise` what is wrong with the model."""
        serving = after.versions if after else {}
        for version in {*versions, *serving}:
            reason = reasons.get(version, otherwise)
            if version in serving:
                entry = IndexEntry(name, version, "READY", reason, refused=bool(reason))
            elif version in reasons:
                entry = IndexEntry(name, version, "UNAVAILABLE", reason, refused=True)
            else:
                entry = IndexEntry(name, version, "UNAVAILABLE", f"not chosen by --version-policy {self._settings.version_policy}")
            self.board.show(entry)
        for entry in self.board.entries():
            if entry.name == name and entry.version not in {*versions, *serving} and entry.state != "UNLOADING":
                self.board.remove(name, entry.version)  # it is in the folder no more

    def _gone(self, location: Location) -> None:
        """A model that answered is closed. It may be loaded anew by now, or there may be others of its version that are not closed yet."""
        version = (location.name, location.version)
        with self._counting:
            self._living[version] -= 1
            if self._living[version]:
                return
            del self._living[version]
            self._fingerprints.pop(version, None)
            self._telemetry.forget_model(*version)
        if not location.folder.is_dir():
            self.board.remove(*version)
        elif self.board.state(*version) == "UNLOADING":
            self.board.show(IndexEntry(*version, "UNAVAILABLE", UNLOADED))


def _watched(model: ServedModel) -> Watched:
    batcher = model.batcher  # and not the model, which closes when nobody holds it
    manifest = model.manifest
    return Watched(
        manifest.name,
        manifest.version,
        task=manifest.task.kind,
        device=model.device,
        backend=model.backend_name,
        precision=model.precision,
        meter=batcher.meter,
        queued_rows=lambda: batcher.queued_rows,
        in_flight=lambda: batcher.in_flight,
        recall=model.memory.recall if model.memory else None,
    )

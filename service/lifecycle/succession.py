"""What becomes of artifacts: where each one stands, which are to be loaded, how one that is served no longer is closed."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from service.contract.repository import Location
from service.lifecycle.shadow import Shadow
from service.lifecycle.traffic import LABELS, Traffic
from service.served_model import ServedModel

State = Literal["READY", "UNAVAILABLE", "LOADING", "UNLOADING"]

END_S = 5.0
"""For the threads of a model that nobody asks any more to end, which takes no time."""
LOOK_AGAIN_S = 0.5
"""Failed requests keep what they asked in cycles of references: while something is held, the garbage is collected this often."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where one artifact stands; `reason` says why it is not served, or why its newer copy is not. `refused`: it is at fault."""

    name: str
    version: int
    state: State
    reason: str = ""
    refused: bool = False


class Board:
    """Where every artifact stands; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, int], IndexEntry] = {}

    def show(self, entry: IndexEntry) -> None:
        """Write one artifact's state."""
        with self._lock:
            self._entries[entry.name, entry.version] = entry

    def state(self, name: str, version: int) -> State | None:
        """Where one artifact stands; None where nothing is known of it."""
        with self._lock:
            entry = self._entries.get((name, version))
            return None if entry is None else entry.state

    def remove(self, name: str, version: int) -> None:
        """Forget an artifact."""
        with self._lock:
            self._entries.pop((name, version), None)

    def entries(self) -> list[IndexEntry]:
        """All of them, by name and version."""
        with self._lock:
            return [entry for _, entry in sorted(self._entries.items())]


@dataclass(frozen=True, slots=True)
class Served:
    """The versions of one model that answer, rising, and who gets which.

    `unversioned` holds them for requests that name no version: where a label is a shadow, with that.
    """

    versions: Mapping[int, ServedModel]
    traffic: Traffic
    unversioned: Mapping[int, ServedModel]

    @classmethod
    def of(cls, versions: Mapping[int, ServedModel], traffic: Traffic) -> Served:
        """These versions, in rising order, under these labels."""
        ordered = dict(sorted(versions.items()))
        candidate = ordered.get(traffic.shadow() or 0)
        if candidate is None:
            return cls(ordered, traffic, ordered)
        shadow = Shadow(candidate)
        return cls(ordered, traffic, {number: _with(shadow, model) for number, model in ordered.items()})


@dataclass(frozen=True, slots=True)
class Plan:
    """What an update of one model needs: versions that stay as they are, versions to load, and the labels of the time."""

    keep: Mapping[int, ServedModel]
    load: list[Location]
    traffic: Traffic


def succeeding(served: Served | None, plan: Plan, loaded: Mapping[int, ServedModel]) -> tuple[Served, str]:
    """What is served after an update of which `loaded` came through, and what is wrong with the labels, if anything.

    Nothing is lost by a failure: what could not be loaded is stood in for by the newest of what was served before, and labels hold only
    when every version they name answers; until then the former ones do.
    """
    before = {} if served is None else dict(served.versions)
    after = {**plan.keep, **loaded}
    failed = [location.version for location in plan.load if location.version not in loaded]
    after.update({version: before[version] for version in failed if version in before})
    lost = [version for version in failed if version not in before]
    spare = sorted(set(before) - set(after), reverse=True)
    after.update({version: before[version] for version in spare[: len(lost)]})
    wrong = [f"{name} is version {label.version}" for name, label in plan.traffic.labels.items() if label.version not in after]
    if wrong and served is not None:
        labelled = {label.version for label in served.traffic.labels.values()}
        after.update({version: before[version] for version in labelled.intersection(before)})
    traffic = served.traffic if wrong and served is not None else plan.traffic
    reason = f"{LABELS}: {', '.join(wrong)}, which is not served" if wrong else ""
    return Served.of(after, traffic), reason


def _with(shadow: Shadow, model: ServedModel) -> ServedModel:
    takes = [{(spec.name, spec.datatype) for spec in one.manifest.inputs} for one in (shadow.candidate, model)]
    if shadow.candidate.batcher is model.batcher or takes[0] != takes[1]:
        return model
    return replace(model, shadow=shadow)


def fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Equal as long as no file directly below `folder` is added, removed or written again; empty where there is no folder."""
    try:
        found = [(path.name, path.stat()) for path in folder.iterdir()]
    except OSError:  # it is being removed
        return ()
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in found))


def retire(model: ServedModel, *, drain_s: float, then: partial[None]) -> threading.Thread:
    """Close a model as soon as no request holds it any more, or after `drain_s` seconds, and call `then`; on a thread of its own.

    A request holds the model from the moment it has looked it up, so that none of them finds it closed.
    """
    released = threading.Event()
    weakref.finalize(model.lease, released.set)
    thread = threading.Thread(
        target=_retire, args=(released, drain_s, model.closer(), then), name=f"retire-{model.manifest.name}", daemon=True
    )
    thread.start()
    return thread


def _retire(released: threading.Event, drain_s: float, close: Callable[[float], None], then: partial[None]) -> None:
    left_s = drain_s
    while not released.wait(min(LOOK_AGAIN_S, left_s)) and left_s > 0:
        left_s -= LOOK_AGAIN_S
        gc.collect()
    close(END_S if released.is_set() else 0.0)
    then()

"""What the worker processes of one service tell each other, so that whichever is asked can tell the sum.

Each writes what it has counted into a file of its own, every second, and reads those of the others when it is asked. What a worker counted
that has ended goes on counting; what it only had for the moment (queues, memory) does not.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import orjson
from prometheus_client.core import Metric
from pydantic import TypeAdapter, ValidationError

from service.observe.statistics import ModelStatistics

logger = logging.getLogger(__name__)

WRITE_EVERY_S = 1.0
SAME_EVERYWHERE = frozenset(
    {"carousel_model_info", "carousel_model_state", "carousel_sequences", "process_max_fds", "process_start_time_seconds"}
)
"""Gauges of which the largest is told, and not the sum; sequences of several workers are in Redis, where each counts all."""

Sample = tuple[str, dict[str, str], float | None]
"""Name, labels, value; None stands for what JSON has no number for."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its samples."""

    name: str
    kind: str
    documentation: str
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one worker has counted: its metrics, and its statistics as (model, version, totals)."""

    process: int
    families: list[Family]
    statistics: list[tuple[str, int, ModelStatistics]] = field(default_factory=list)


@cache
def _snapshots() -> TypeAdapter[Snapshot]:
    return TypeAdapter(Snapshot)  # making it takes time, which a service of one process need not spend


class Peers:
    """The workers of one service, which share `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{os.getpid()}-{secrets.token_hex(8)}.json"  # numbers of processes are used again

    @contextmanager
    def telling(self, snapshot: Callable[[], Snapshot]) -> Iterator[None]:
        """Inside, the others are told of this worker; a last time at the end."""
        stopped = threading.Event()

        def tell() -> None:
            while not stopped.wait(WRITE_EVERY_S):
                self._write(snapshot())

        self._write(snapshot())
        thread = threading.Thread(target=tell, name="peers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
            self._write(snapshot())

    def others(self) -> list[Snapshot]:
        """What the other workers have told, those that have ended included."""
        found = []
        for path in self._folder.glob("*.json"):
            if path == self._own:
                continue
            try:
                snapshot = _snapshots().validate_json(path.read_bytes())
            except (OSError, ValidationError):
                logger.warning("%s cannot be read: its worker is not in the sum", path)
                continue
            found.append(snapshot if _alive(snapshot.process) else _lasting(snapshot))
        return found

    def _write(self, snapshot: Snapshot) -> None:
        beside = self._own.with_suffix(".new")
        try:
            beside.write_bytes(orjson.dumps(snapshot))
            beside.rename(self._own)  # whoever reads sees the one or the other
        except OSError as error:
            logger.warning("%s cannot be written: this worker is not in the sum: %s", self._own, error)


def families(metrics: Iterable[Metric]) -> list[Family]:
    """Metrics of this process as they are told to others; when a counter began is left out, since sums have no such time."""
    return [
        Family(
            metric.name,
            metric.type,
            metric.documentation,
            [(sample.name, sample.labels, sample.value) for sample in metric.samples if not sample.name.endswith("_created")],
        )
        for metric in metrics
    ]


def added_up(workers: Iterable[Iterable[Family]]) -> list[Metric]:
    """The metrics of all workers as those of one."""
    totals: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]] = {}
    for family in (family for worker in workers for family in worker):
        totals.setdefault(family.name, Metric(family.name, family.documentation, family.kind))
        samples = values.setdefault(family.name, {})
        for name, labels, value in family.samples:
            key = (name, frozenset(labels.items()))
            now = 0.0 if value is None else value
            samples[key] = max(samples.get(key, now), now) if family.name in SAME_EVERYWHERE else samples.get(key, 0.0) + now
    for name, samples in values.items():
        for (sample, pairs), value in samples.items():
            totals[name].add_sample(sample, dict(pairs), value)
    return list(totals.values())


def _lasting(snapshot: Snapshot) -> Snapshot:
    return Snapshot(snapshot.process, [family for family in snapshot.families if family.kind != "gauge"], snapshot.statistics)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True

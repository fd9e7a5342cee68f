"""What the service counts of itself, for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.observe.model_metrics import ModelMetrics, Watched
from service.observe.peers import Peers, Snapshot, added_up, families
from service.observe.request_metrics import RequestMetrics
from service.observe.sequence_metrics import SequenceMetrics
from service.observe.statistics import ModelStatistics
from service.observe.timeline import CURRENT

UNKNOWN = "unknown"
"""The model of a request that names none that is served."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Metrics of one app, in a registry of its own. Label values are names of routes and of loaded models, never what a client sent."""

    registry: CollectorRegistry
    requests: RequestMetrics
    rejected: Counter
    models: ModelMetrics
    sequences: SequenceMetrics
    peers: Peers | None = None
    _models: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def create(cls, worker_folder: Path | None = None) -> Telemetry:
        """Fresh metrics, all zero; in `worker_folder` this process and the others of the service tell each other theirs."""
        own = CollectorRegistry()
        ProcessCollector(registry=own)
        requests = RequestMetrics()
        own.register(requests)
        models = ModelMetrics()
        own.register(models)
        sequences = SequenceMetrics()
        own.register(sequences)
        return cls(
            registry=own,
            requests=requests,
            rejected=Counter("carousel_rejected", "Requests that got an error.", ("reason", "model"), registry=own),
            models=models,
            sequences=sequences,
            peers=Peers(worker_folder) if worker_folder else None,
        )

    def answered(self, route: str, parameters: Mapping[str, object], status: int, seconds: float) -> None:
        """Count one answered request; of the path's `parameters`, `name` and `version` become labels where such a model is served."""
        self.requests.answered((route, *self._served(parameters)), status, seconds)

    def reject(self, reason: str, parameters: Mapping[str, object]) -> None:
        """Count one request that got an error: `reason` is the slug of a ServiceError, `parameters` are the path's."""
        self.rejected.labels(reason, self.model_in(parameters) or UNKNOWN).inc()
        timeline = CURRENT.get()
        if timeline is not None:
            timeline.error = reason

    def model_in(self, parameters: Mapping[str, object]) -> str:
        """The model that a path's `parameters` name, without a label; empty where none of that name is served."""
        name = str(parameters.get("name", "")).partition("@")[0]
        return name if (name, "") in self._models else ""

    def watch_model(self, watched: Watched) -> None:
        """Show a loaded model, in the place of one of the same name and version."""
        self._models.update({(watched.model, str(watched.version)), (watched.model, "")})
        self.models.watched[watched.model, watched.version] = watched
        watched.meter.elsewhere = partial(self._elsewhere, watched.model, watched.version)

    def forget_model(self, model: str, version: int) -> None:
        """Show a model that is closed no longer."""
        self.models.watched.pop((model, version), None)
        self._models.discard((model, str(version)))
        self.requests.forget(model, str(version))

    def _served(self, parameters: Mapping[str, object]) -> tuple[str, str]:
        name = str(parameters.get("name", "")).partition("@")[0]
        named = (name, str(parameters.get("version", "")))
        return named if named in self._models else ("", "")

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format, those of the other workers added."""
        if self.peers is None:
            return generate_latest(self.registry)
        total = _Collected(added_up([families(self.registry.collect()), *(other.families for other in self.peers.others())]))
        return generate_latest(total)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside, the other workers are told of this one, where there are any."""
        with nullcontext() if self.peers is None else self.peers.telling(self._snapshot):
            yield

    def _snapshot(self) -> Snapshot:
        counted = [(one.model, one.version, one.meter.own()) for one in list(self.models.watched.values())]
        return Snapshot(os.getpid(), families(self.registry.collect()), counted)

    def _elsewhere(self, model: str, version: int) -> list[ModelStatistics]:
        others = self.peers.others() if self.peers else []
        return [found for other in others for name, number, found in other.statistics if (name, number) == (model, version)]


@dataclass(frozen=True, slots=True)
class _Collected(Collector):
    """Metrics that are there already, where a registry is wanted."""

    metrics: list[Metric]

    def collect(self) -> list[Metric]:
        """All of them."""
        return self.metrics

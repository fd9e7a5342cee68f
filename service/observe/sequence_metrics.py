"""Metrics of the sequences that are kept, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.observe.model_metrics import MODEL


@dataclass(frozen=True, slots=True)
class Held:
    """Sequences of one version, and what they take in memory; None where they are not kept in it."""

    model: str
    version: int
    sequences: int
    bytes: int | None = None


@dataclass(slots=True, eq=False)
class SequenceMetrics(Collector):
    """Everything that is told of sequences; both are asked at every collection. `expired` has a number for each model."""

    held: Callable[[], Iterable[Held]] = tuple
    expired: Callable[[], Mapping[str, int]] = dict

    def collect(self) -> Iterator[Metric]:
        """All metrics, in the order of docs/metrics.md."""
        live = GaugeMetricFamily("carousel_sequences", "Sequences that can be gone on with.", labels=MODEL)
        size = GaugeMetricFamily("carousel_sequence_bytes", "Memory that sequences take.", labels=MODEL)
        for one in self.held():
            live.add_metric([one.model, str(one.version)], one.sequences)
            if one.bytes is not None:
                size.add_metric([one.model, str(one.version)], one.bytes)
        expired = CounterMetricFamily("carousel_sequences_expired", "Sequences that were idle for too long.", labels=("model",))
        for model, count in self.expired().items():
            expired.add_metric([model], count)
        yield from (live, size, expired)

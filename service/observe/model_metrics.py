"""Metrics of the served models for Prometheus, made from their meters when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.observe.memory_metrics import MODEL as MODEL
from service.observe.memory_metrics import memory_metrics
from service.observe.statistics import Histogram, Meter
from service.tasks.memory import Recall

MAX_REASON = 200
"""Characters of a reason that become a label."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A served model as its metrics see it; `queued_rows` and `in_flight` are read when they are asked for.

    `recall` is of a next-word model that remembers what it reads.
    """

    model: str
    version: int
    task: str
    device: str
    backend: str
    precision: str
    meter: Meter
    queued_rows: Callable[[], int]
    in_flight: Callable[[], int]
    recall: Recall | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Where an artifact stands: READY, LOADING, UNLOADING or UNAVAILABLE, the last with a reason."""

    model: str
    version: int
    state: str
    reason: str


@dataclass(slots=True, eq=False)
class ModelMetrics(Collector):
    """Everything that is told of models; `states` is asked at every collection."""

    states: Callable[[], Iterable[State]] = tuple
    watched: dict[tuple[str, int], Watched] = field(default_factory=dict)

    def collect(self) -> Iterator[Metric]:
        """All metrics, in the order of docs/metrics.md."""
        watched = list(self.watched.values())
        yield from _gauges(watched)
        yield _states(self.states())
        yield from _counters(watched)
        for name, meaning, of in _HISTOGRAMS:
            family = HistogramMetricFamily(name, meaning, labels=MODEL)
            for one in watched:
                histogram = of(one.meter)
                family.add_metric([one.model, str(one.version)], buckets(histogram), histogram.total)
            yield family
        yield from memory_metrics((one.model, one.version, one.recall) for one in watched if one.recall is not None)


_HISTOGRAMS: tuple[tuple[str, str, Callable[[Meter], Histogram]], ...] = (
    ("carousel_queue_seconds", "Time of a request in the queue.", lambda meter: meter.queue_seconds),
    ("carousel_inference_seconds", "Time of one run of a graph.", lambda meter: meter.inference_seconds),
    ("carousel_model_seconds", "Time of a request from the queue to its answer.", lambda meter: meter.request_seconds),
    ("carousel_inference_rows", "Rows of one run of a graph.", lambda meter: meter.inference_rows),
    ("carousel_shadow_difference", "Largest relative difference of a shadow's answer.", lambda meter: meter.shadow_difference),
)


def _gauges(watched: list[Watched]) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "carousel_model_info", "Always 1; the labels say what runs where.", labels=(*MODEL, "task", "device", "backend", "precision")
    )
    queued = GaugeMetricFamily("carousel_queue_rows", "Rows that wait for a graph.", labels=MODEL)
    flying = GaugeMetricFamily("carousel_in_flight", "Requests to a graph without an answer, those that wait included.", labels=MODEL)
    for one in watched:
        labels = [one.model, str(one.version)]
        info.add_metric([*labels, one.task, one.device, one.backend, one.precision], 1)
        queued.add_metric(labels, one.queued_rows())
        flying.add_metric(labels, one.in_flight())
    yield from (info, queued, flying)


def _states(states: Iterable[State]) -> Metric:
    family = GaugeMetricFamily(
        "carousel_model_state", "Always 1; the labels say the state of an artifact, and why.", labels=(*MODEL, "state", "reason")
    )
    for one in states:
        family.add_metric([one.model, str(one.version), one.state, one.reason[:MAX_REASON]], 1)
    return family


def _counters(watched: list[Watched]) -> Iterator[Metric]:
    failed = CounterMetricFamily("carousel_failed", "Requests on which a graph failed.", labels=MODEL)
    dropped = CounterMetricFamily("carousel_dropped", "Requests given up before their graph ran.", labels=(*MODEL, "reason"))
    shadow = CounterMetricFamily("carousel_shadow", "Questions that a model was asked as a shadow.", labels=(*MODEL, "outcome"))
    for one in watched:
        labels = [one.model, str(one.version)]
        failed.add_metric(labels, one.meter.failed)
        for reason, count in one.meter.dropped.items():
            dropped.add_metric([*labels, reason], count)
        for outcome, count in one.meter.shadow.items():
            shadow.add_metric([*labels, outcome], count)
    yield from (failed, dropped, shadow)


def buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Counts of values at most each bound, which is how Prometheus wants them."""
    found = []
    total = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), list(histogram.counts), strict=True):
        total += count
        found.append((bound, float(total)))
    return found

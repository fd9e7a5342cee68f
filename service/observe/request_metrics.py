"""What was answered, by route, model, version and status: plain numbers, told to Prometheus when it asks.

Its library's own counters cost a lock and several calls each; these are written by the event loop alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.observe.model_metrics import MODEL, buckets
from service.observe.statistics import SECONDS_BUCKETS, Histogram

Where = tuple[str, str, str]
"""Route, model and version."""


@dataclass(slots=True, eq=False)
class RequestMetrics(Collector):
    """Counts of answers and how long they took; label values are names of routes and of loaded models."""

    counts: dict[Where, dict[int, int]] = field(default_factory=dict)
    seconds: dict[Where, Histogram] = field(default_factory=dict)

    def answered(self, where: Where, status: int, seconds: float) -> None:
        """Count one answer."""
        by_status = self.counts.get(where)
        if by_status is None:
            by_status = self.counts[where] = {}
            self.seconds[where] = Histogram(SECONDS_BUCKETS)
        by_status[status] = by_status.get(status, 0) + 1
        self.seconds[where].add(seconds)

    def forget(self, model: str, version: str) -> None:
        """Tell of this model no longer."""
        for where in [where for where in self.counts if where[1:] == (model, version)]:
            del self.counts[where], self.seconds[where]

    def collect(self) -> Iterator[Metric]:
        """Both metrics, in the order of docs/metrics.md."""
        requests = CounterMetricFamily("carousel_requests", "Requests answered.", labels=("route", *MODEL, "status"))
        for where, by_status in list(self.counts.items()):
            for status, count in list(by_status.items()):
                requests.add_metric([*where, str(status)], count)
        yield requests
        lasted = HistogramMetricFamily("carousel_request_seconds", "Time from body to answer.", labels=("route", *MODEL))
        for where, histogram in list(self.seconds.items()):
            lasted.add_metric(list(where), buckets(histogram), histogram.total)
        yield lasted

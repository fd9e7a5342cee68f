"""What the service tells of itself: metrics for Prometheus, and log lines for people or for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ROWS_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_RequestKey = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Metrics of one app, in a registry of its own. Label values are names of routes and of loaded models, never what a client sent."""

    registry: CollectorRegistry
    requests: Counter
    request_seconds: Histogram
    rejected: Counter
    inference_rows: Histogram
    inference_seconds: Histogram
    queue_rows: Gauge
    model_info: Gauge
    _models: set[tuple[str, str]] = field(default_factory=set)
    _by_request: dict[_RequestKey, tuple[Counter, Histogram]] = field(default_factory=dict)

    @classmethod
    def create(cls) -> Telemetry:
        """Fresh metrics, all zero."""
        own = CollectorRegistry()
        ProcessCollector(registry=own)
        model = ("model", "version")
        return cls(
            registry=own,
            requests=Counter("carousel_requests", "Requests answered.", ("route", *model, "status"), registry=own),
            request_seconds=Histogram(
                "carousel_request_seconds", "Time from body to answer.", ("route", *model), buckets=SECONDS_BUCKETS, registry=own
            ),
            rejected=Counter("carousel_rejected", "Requests that got an error.", ("reason",), registry=own),
            inference_rows=Histogram("carousel_inference_rows", "Rows of one run of a graph.", model, buckets=ROWS_BUCKETS, registry=own),
            inference_seconds=Histogram(
                "carousel_inference_seconds", "Time of one run of a graph.", model, buckets=SECONDS_BUCKETS, registry=own
            ),
            queue_rows=Gauge("carousel_queue_rows", "Rows that wait for a graph.", model, registry=own),
            model_info=Gauge(
                "carousel_model_info", "Always 1; the labels say what runs where.", (*model, "task", "device", "backend"), registry=own
            ),
        )

    def answered(self, route: str, parameters: Mapping[str, object], status: int, seconds: float) -> None:
        """Count one answered request; of the path's `parameters`, `name` and `version` become labels where such a model is served."""
        key = (route, *self._served(parameters), status)
        metrics = self._by_request.get(key)
        if metrics is None:  # looking labels up costs more than counting
            metrics = (self.requests.labels(*key), self.request_seconds.labels(*key[:3]))
            self._by_request[key] = metrics
        metrics[0].inc()
        metrics[1].observe(seconds)

    def reject(self, reason: str) -> None:
        """Count one request that got an error; `reason` is the slug of a ServiceError."""
        self.rejected.labels(reason).inc()

    def inference(self, model: str, version: int) -> Callable[[int, float], None]:
        """What to tell of each run of this model's graph: rows and seconds."""
        rows_metric = self.inference_rows.labels(model, str(version))
        seconds_metric = self.inference_seconds.labels(model, str(version))

        def observe(rows: int, seconds: float) -> None:
            rows_metric.observe(rows)
            seconds_metric.observe(seconds)

        return observe

    def watch_model(self, model: str, version: int, *, task: str, device: str, backend: str, queued_rows: Callable[[], int]) -> None:
        """Show a loaded model; its queue is read when the metrics are asked for."""
        self._models.add((model, str(version)))
        self._models.add((model, ""))
        self.model_info.labels(model, str(version), task, device, backend).set(1)
        self.queue_rows.labels(model, str(version)).set_function(queued_rows)

    def _served(self, parameters: Mapping[str, object]) -> tuple[str, str]:
        named = (str(parameters.get("name", "")), str(parameters.get("version", "")))
        return named if named in self._models else ("", "")

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC, level, logger, message, and the traceback where there is one."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(level: str, style: Literal["text", "json"]) -> None:
    """Log to standard error, from `level` on; replaces handlers that were there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)

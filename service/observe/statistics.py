"""What a model has done since it was loaded: counts, times, and how they spread."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ROWS_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

DROPPED = ("deadline", "cancelled")
"""Why a request was given up before its graph ran: it was too late, or its caller had left."""

COMPARED = ("answered", "failed", "dropped")
"""What became of a question that a shadow was asked; dropped ones were not run, since too many waited."""
MAX_DIFFERENCE = 1000.0
"""What larger differences count as, infinite ones included."""
PACE_RUNS = 8
"""Runs of which a model's pace is, roughly, the mean."""
DIFFERENCE_BUCKETS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)


@dataclass(frozen=True, slots=True)
class Phase:
    """How often something was done, and its nanoseconds altogether."""

    count: int = 0
    ns: int = 0


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """Runs of the graph on one number of rows; each phase counts runs."""

    batch_size: int
    compute_input: Phase
    compute_infer: Phase
    compute_output: Phase


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """Totals in the words of the Open Inference Protocol: phases count requests, and all requests of a batch took its whole time.

    `inference_count` counts rows, `execution_count` runs of the graph; `last_inference_ms` is Unix time, 0 before the first.
    `success` lasts from the queue to the answer; `fail` counts what failed in the graph or was too late.
    """

    inference_count: int = 0
    execution_count: int = 0
    last_inference_ms: int = 0
    success: Phase = Phase()
    fail: Phase = Phase()
    queue: Phase = Phase()
    compute_input: Phase = Phase()
    compute_infer: Phase = Phase()
    compute_output: Phase = Phase()
    batch_stats: tuple[BatchStatistics, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a graph: its rows, and the nanoseconds of putting requests together, of the graph, and of taking its outputs apart."""

    rows: int
    input_ns: int
    infer_ns: int
    output_ns: int = 0


class Histogram:
    """How often a value was at most each of `bounds`, rising, or above them all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Meter:
    """Counts what one served model does; told by its worker threads, read by anyone."""

    def __init__(self) -> None:
        self.elsewhere: Callable[[], Iterable[ModelStatistics]] = tuple
        self.queue_seconds = Histogram(SECONDS_BUCKETS)
        self.request_seconds = Histogram(SECONDS_BUCKETS)
        self.inference_seconds = Histogram(SECONDS_BUCKETS)
        self.inference_rows = Histogram(ROWS_BUCKETS)
        self.dropped = dict.fromkeys(DROPPED, 0)
        self.shadow = dict.fromkeys(COMPARED, 0)
        self.shadow_difference = Histogram(DIFFERENCE_BUCKETS)
        self.failed = 0
        self._lock = threading.Lock()
        self._rows = 0
        self._last_ms = 0
        self._answered = 0
        self._ns = dict.fromkeys(("success", "fail", "queue", "input", "infer", "output"), 0)
        self._row_ns = 0.0  # of late, 0 before the first run
        self._sizes: dict[int, tuple[int, int, int, int]] = {}  # rows of a run -> runs, then nanoseconds of input, graph and output

    def answered(self, runs: Iterable[Run], waited_ns: Sequence[int], lasted_ns: Sequence[int]) -> None:
        """Count requests that one or more runs have answered: what each has waited in the queue, and lasted with that and all."""
        with self._lock:
            input_ns, infer_ns, output_ns = self._count(runs)
            requests = len(waited_ns)
            self._answered += requests
            totals = self._ns
            totals["input"] += requests * input_ns
            totals["infer"] += requests * infer_ns
            totals["output"] += requests * output_ns
            totals["queue"] += sum(waited_ns)
            totals["success"] += sum(lasted_ns)
            for waited, lasted in zip(waited_ns, lasted_ns, strict=True):
                self.queue_seconds.add(waited / 1e9)
                self.request_seconds.add(lasted / 1e9)

    def fail(self, lasted_ns: int) -> None:
        """Count a request on which the graph failed."""
        with self._lock:
            self.failed += 1
            self._ns["fail"] += lasted_ns

    def drop(self, reason: str, waited_ns: int) -> None:
        """Count a request that was given up, `reason` being one of `DROPPED`."""
        with self._lock:
            self.dropped[reason] += 1
            if reason == "deadline":
                self._ns["fail"] += waited_ns

    def compared(self, outcome: str, difference: float | None = None) -> None:
        """Count a question that this model was asked as a shadow, `outcome` being one of `COMPARED`, and how far off its answer was."""
        with self._lock:
            self.shadow[outcome] += 1
            if difference is not None:
                self.shadow_difference.add(min(difference, MAX_DIFFERENCE))

    def seconds_for(self, rows: int) -> float:
        """Time that so many rows will take, if they take what rows took of late; 0 before the first run."""
        return rows * self._row_ns / 1e9

    def statistics(self) -> ModelStatistics:
        """Everything until now, what the same model has done in other processes included."""
        return added([self.own(), *self.elsewhere()])

    def own(self) -> ModelStatistics:
        """Everything until now in this process."""
        with self._lock:
            ns, answered = self._ns, self._answered
            return ModelStatistics(
                inference_count=self._rows,
                execution_count=sum(size[0] for size in self._sizes.values()),
                last_inference_ms=self._last_ms,
                success=Phase(answered, ns["success"]),
                fail=Phase(self.failed + self.dropped["deadline"], ns["fail"]),
                queue=Phase(answered, ns["queue"]),
                compute_input=Phase(answered, ns["input"]),
                compute_infer=Phase(answered, ns["infer"]),
                compute_output=Phase(answered, ns["output"]),
                batch_stats=tuple(_batch(rows, *size) for rows, size in sorted(self._sizes.items())),
            )

    def _count(self, runs: Iterable[Run]) -> tuple[int, int, int]:
        totals = (0, 0, 0)
        for run in runs:
            self._rows += run.rows
            self.inference_rows.add(run.rows)
            self.inference_seconds.add(run.infer_ns / 1e9)
            count, *ns = self._sizes.get(run.rows, (0, 0, 0, 0))
            self._sizes[run.rows] = (count + 1, ns[0] + run.input_ns, ns[1] + run.infer_ns, ns[2] + run.output_ns)
            totals = (totals[0] + run.input_ns, totals[1] + run.infer_ns, totals[2] + run.output_ns)
            row_ns = (run.input_ns + run.infer_ns + run.output_ns) / max(run.rows, 1)
            self._row_ns += (row_ns - self._row_ns) / PACE_RUNS if self._row_ns else row_ns
        self._last_ms = time.time_ns() // 1_000_000
        return totals


def added(parts: Sequence[ModelStatistics]) -> ModelStatistics:
    """The totals of several; at least one."""
    sizes = sorted({batch.batch_size for part in parts for batch in part.batch_stats})
    batches = [[batch for part in parts for batch in part.batch_stats if batch.batch_size == size] for size in sizes]
    return ModelStatistics(
        inference_count=sum(part.inference_count for part in parts),
        execution_count=sum(part.execution_count for part in parts),
        last_inference_ms=max(part.last_inference_ms for part in parts),
        success=_sum(part.success for part in parts),
        fail=_sum(part.fail for part in parts),
        queue=_sum(part.queue for part in parts),
        compute_input=_sum(part.compute_input for part in parts),
        compute_infer=_sum(part.compute_infer for part in parts),
        compute_output=_sum(part.compute_output for part in parts),
        batch_stats=tuple(_same_size(size, batch) for size, batch in zip(sizes, batches, strict=True)),
    )


def _same_size(size: int, batches: Sequence[BatchStatistics]) -> BatchStatistics:
    return BatchStatistics(
        size,
        _sum(batch.compute_input for batch in batches),
        _sum(batch.compute_infer for batch in batches),
        _sum(batch.compute_output for batch in batches),
    )


def _sum(phases: Iterable[Phase]) -> Phase:
    found = list(phases)
    return Phase(sum(phase.count for phase in found), sum(phase.ns for phase in found))


def _batch(rows: int, count: int, input_ns: int, infer_ns: int, output_ns: int) -> BatchStatistics:
    return BatchStatistics(rows, Phase(count, input_ns), Phase(count, infer_ns), Phase(count, output_ns))

"""Running a batch: together, or alone where that fails, or in pieces where a request is larger than a run; measured in any case."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic_ns

import numpy as np

from service.batching.batch import Work, split, stack
from service.batching.brevity import Brevity
from service.contract.golden import Tensors
from service.errors import DeadlineExceeded, InferenceFailed, ServiceError
from service.observe.statistics import Meter, Run

logger = logging.getLogger(__name__)

RunGraph = Callable[..., Tensors]
"""As `Backend.run`: inputs, and the names of the outputs where not all are wanted."""
Outcome = Tensors | ServiceError


@dataclass(frozen=True, slots=True)
class Execution:
    """Runs batches of `Work` on a graph, at most `max_batch_rows` rows at once."""

    run: RunGraph
    max_batch_rows: int
    name: str
    meter: Meter
    brevity: Brevity

    def outcomes(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        """What each request of the batch is answered; a request that fails never fails another."""
        taken_ns = monotonic_ns()
        if len(batch) == 1:
            return [self._alone(batch[0], taken_ns)]
        try:
            outputs, run = self._measured(stack(batch), batch[0].outputs, since_ns=taken_ns)
        except Exception:  # a graph may raise anything; each request is tried alone, so that one cannot fail the others
            logger.warning("%s failed on a batch of %d requests; trying each alone", self.name, len(batch))
            return [self._alone(work, taken_ns) for work in batch]
        ran_ns = monotonic_ns()
        parts = list(split(outputs, batch))
        self._answered(batch, [Run(run.rows, run.input_ns, run.infer_ns, monotonic_ns() - ran_ns)], taken_ns)
        return parts

    def _alone(self, work: Work, taken_ns: int) -> Outcome:
        try:
            if work.rows > self.max_batch_rows:
                return self._in_pieces(work, taken_ns)
            outputs, run = self._measured(work.inputs, work.outputs, since_ns=monotonic_ns())
        except Exception:  # a graph may raise anything; the caller is told that it failed, the log says why
            logger.exception("%s failed on a request of %d rows", self.name, work.rows)
            failed_ns = monotonic_ns()
            self.meter.fail(failed_ns - work.submitted_ns)
            work.note(taken_ns, failed_ns, rows=work.rows)
            return InferenceFailed(self.name)
        self._answered([work], [run], taken_ns)
        return outputs

    def _in_pieces(self, work: Work, taken_ns: int) -> Outcome:
        pieces: list[Tensors] = []
        runs: list[Run] = []
        for start in range(0, work.rows, self.max_batch_rows):
            if work.future.done():  # given up meanwhile
                return DeadlineExceeded(self.name, timeout_s=work.timeout_s)
            begun_ns = monotonic_ns()
            stop = start + self.max_batch_rows
            inputs = {name: array[start:stop] for name, array in work.inputs.items()}
            outputs, run = self._measured(inputs, work.outputs, since_ns=begun_ns)
            pieces.append(outputs)
            runs.append(run)
        whole = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        self._answered([work], runs, taken_ns)
        return whole

    def _measured(self, inputs: Tensors, names: tuple[str, ...], *, since_ns: int) -> tuple[Tensors, Run]:
        """Outputs of one run, whose inputs were being made ready since then."""
        rows = len(next(iter(inputs.values())))
        started_ns = monotonic_ns()
        outputs = self.run(inputs, names) if names else self.run(inputs)
        run = Run(rows, started_ns - since_ns, monotonic_ns() - started_ns)
        for name, array in outputs.items():
            if array.shape[:1] != (rows,):
                raise ValueError(f"output {name!r} has shape {array.shape} for {rows} rows: axis 0 of every output must be the batch")
        return outputs, run

    def _answered(self, batch: Sequence[Work], runs: Sequence[Run], taken_ns: int) -> None:
        now_ns = monotonic_ns()
        for run in runs:
            self.brevity.learn(batch[0].kind, run.rows, run.infer_ns)
        for work in batch:
            work.note(taken_ns, now_ns, rows=work.rows)
        self.meter.answered(runs, [taken_ns - work.submitted_ns for work in batch], [now_ns - work.submitted_ns for work in batch])

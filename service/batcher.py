"""Requests that wait for one graph, run together.

There is no waiting window: the worker thread takes what has gathered while it was busy. On a request's way lie one hop to that thread and
one back, and the way back is shared by all requests of a batch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue

import numpy as np

from service.batch import Waiting, Work, count_rows, split, stack
from service.contract.golden import Tensors
from service.errors import DeadlineExceeded, InferenceFailed, QueueFull, ServiceError, ShuttingDown

logger = logging.getLogger(__name__)

Run = Callable[[Tensors], Tensors]
Observe = Callable[[int, float], None]
"""Is told of every run of the graph: its rows and its seconds."""

_Answer = tuple[asyncio.Future[Tensors], Tensors | ServiceError]


class Batcher:
    """Runs `run` on one thread of its own, for requests of any event loop.

    `max_batch_rows` bounds one run: a larger request is run in pieces. `max_queue_rows` bounds what waits: beyond it `submit` refuses.
    """

    def __init__(
        self, run: Run, *, max_batch_rows: int, max_queue_rows: int, name: str, observe: Observe = lambda _rows, _seconds: None
    ) -> None:
        self._run = run
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._name = name
        self._observe = observe
        self._arrivals: SimpleQueue[Work | None] = SimpleQueue()  # None: no more will come
        self._lock = threading.Lock()  # guards the next two and `Work.queued`; never held while the graph runs
        self._queued_rows = 0
        self._closing = False
        self._abandoned = False
        self._worker = threading.Thread(target=self._work, name=f"batcher-{name}", daemon=True)
        self._worker.start()

    @property
    def queued_rows(self) -> int:
        """Rows that wait now."""
        return self._queued_rows

    async def submit(self, inputs: Tensors, *, timeout_s: float) -> Tensors:
        """Outputs of the graph for these inputs, batch on axis 0 of each.

        Raises:
            BadQuestion: the tensors have different numbers of rows.
            QueueFull: too many rows wait. A request larger than the bound itself is taken when nothing waits.
            ShuttingDown: the batcher is closed.
            DeadlineExceeded: no answer within `timeout_s`.
            InferenceFailed: the graph raised.
        """
        loop = asyncio.get_running_loop()
        work = Work(inputs, count_rows(inputs), timeout_s, time.monotonic() + timeout_s, loop.create_future(), loop)
        self._enqueue(work)
        timer = loop.call_later(timeout_s, self._expire, work)
        try:
            return await work.future
        except asyncio.CancelledError:
            self._forget(work)
            raise
        finally:
            timer.cancel()

    def close(self, drain_s: float) -> None:
        """Refuse new work, finish what waits within `drain_s` seconds and give up the rest. Blocks; closing twice does nothing more."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._arrivals.put(None)
        self._worker.join(drain_s)
        self._abandoned = True

    def _enqueue(self, work: Work) -> None:
        with self._lock:
            if self._closing:
                raise ShuttingDown
            if self._queued_rows and self._queued_rows + work.rows > self._max_queue_rows:
                raise QueueFull(self._name, queued_rows=self._queued_rows, limit_rows=self._max_queue_rows)
            self._queued_rows += work.rows
            self._arrivals.put(work)

    def _forget(self, work: Work) -> None:
        """Give up work that nobody waits for: it frees its place and its tensors at once."""
        with self._lock:
            if work.queued:
                work.queued = False
                self._queued_rows -= work.rows
                work.inputs = {}

    def _expire(self, work: Work) -> None:
        self._forget(work)
        if not work.future.done():
            work.future.set_exception(DeadlineExceeded(self._name, timeout_s=work.timeout_s))

    # what follows runs on the worker's thread

    def _work(self) -> None:
        waiting = Waiting()
        open_ = True
        while open_ or waiting.kinds:
            if open_:
                open_ = self._gather(waiting)
            if waiting.kinds:
                self._answer(waiting.take(self._max_batch_rows))

    def _gather(self, waiting: Waiting) -> bool:
        """Move arrivals over; wait for one only when there is nothing else to do. False: no more will come."""
        arrived = self._arrivals.qsize()
        if not waiting.kinds:
            arrived = max(arrived, 1)
        for _ in range(arrived):
            work = self._arrivals.get()
            if work is None:
                return False
            if work.queued:
                waiting.add(work)
        return True

    def _answer(self, batch: list[Work]) -> None:
        batch = self._claim(batch)
        if not batch:
            return
        by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
        for work, outcome in zip(batch, self._outcomes(batch), strict=True):
            by_loop.setdefault(work.loop, []).append((work.future, outcome))
        for loop, answers in by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, answers)
            except RuntimeError:  # the loop was closed: nobody waits for these any more
                logger.debug("%s: %d answers had no receiver", self._name, len(answers))

    def _claim(self, batch: list[Work]) -> list[Work]:
        """Those of the batch that are still waited for, no longer queued. Late ones are dropped: their timer is due and tells."""
        now = time.monotonic()
        claimed = []
        with self._lock:
            for work in batch:
                if work.queued:
                    work.queued = False
                    self._queued_rows -= work.rows
                    claimed.append(work)
        return [work for work in claimed if work.deadline > now]

    def _outcomes(self, batch: list[Work]) -> Iterable[Tensors | ServiceError]:
        if self._abandoned:
            return [ShuttingDown() for _ in batch]
        if len(batch) == 1:
            return [self._alone(batch[0])]
        try:
            outputs = self._measured(stack(batch))
        except Exception:  # a graph may raise anything; each request is tried alone, so that one cannot fail the others
            logger.warning("%s failed on a batch of %d requests; trying each alone", self._name, len(batch))
            return [self._alone(work) for work in batch]
        return split(outputs, batch)

    def _alone(self, work: Work) -> Tensors | ServiceError:
        try:
            if work.rows <= self._max_batch_rows:
                return self._measured(work.inputs)
            return self._in_pieces(work)
        except Exception:  # a graph may raise anything; the caller is told that it failed, the log says why
            logger.exception("%s failed on a request of %d rows", self._name, work.rows)
            return InferenceFailed(self._name)

    def _in_pieces(self, work: Work) -> Tensors | ServiceError:
        pieces = []
        for start in range(0, work.rows, self._max_batch_rows):
            if work.future.done():  # given up meanwhile
                return DeadlineExceeded(self._name, timeout_s=work.timeout_s)
            stop = start + self._max_batch_rows
            pieces.append(self._measured({name: array[start:stop] for name, array in work.inputs.items()}))
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def _measured(self, inputs: Tensors) -> Tensors:
        rows = len(next(iter(inputs.values())))
        started = time.perf_counter()
        outputs = self._run(inputs)
        self._observe(rows, time.perf_counter() - started)
        for name, array in outputs.items():
            if array.shape[:1] != (rows,):
                raise ValueError(f"output {name!r} has shape {array.shape} for {rows} rows: axis 0 of every output must be the batch")
        return outputs


def _deliver(answers: Sequence[_Answer]) -> None:
    """On the event loop: hand each answer to whoever still waits."""
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, ServiceError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

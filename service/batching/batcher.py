"""Requests that wait for one graph, run together.

There is no waiting window unless one is asked for: a batch is what has gathered while the one before it ran. Batches known to be brief run
on the event loop itself, since a hop to a thread and back costs more than they do; all others run on worker threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue

from service.batching.batch import Waiting, Work, count_rows, kind_of
from service.batching.brevity import Brevity
from service.batching.execution import Execution, Outcome, RunGraph
from service.batching.inline import Inline
from service.contract.golden import Tensors
from service.errors import DeadlineExceeded, QueueFull, ServiceError, ShuttingDown
from service.observe.statistics import Meter

logger = logging.getLogger(__name__)

_Answer = tuple[asyncio.Future[Tensors], Outcome]


class Batcher:
    """Runs `run` for requests of any event loop, on threads of its own or, where that is brief, on the loop that asks first.

    `max_inline_ms` is the longest that a batch may hold up the loop. `max_batch_rows` bounds one run: a larger request is run in pieces.
    `max_queue_rows` bounds what waits: beyond it `submit` refuses.
    `max_queue_delay_ms` is how long a batch that is not full waits for more; `instances` batches run at the same time.
    `meter` is told what is done; `running` bounds the batches that run at the same time on the threads of several batchers.
    """

    def __init__(
        self,
        run: RunGraph,
        *,
        max_batch_rows: int,
        max_queue_rows: int,
        name: str,
        max_queue_delay_ms: float = 0.0,
        instances: int = 1,
        priority_levels: int = 3,
        max_inline_ms: float = 0.0,
        meter: Meter | None = None,
        running: threading.Semaphore | None = None,
    ) -> None:
        self.meter = meter or Meter()
        brevity = Brevity(int(max_inline_ms * 1e6))
        self._execution = Execution(run, max_batch_rows, name, self.meter, brevity)
        self._inline = Inline(self._answer_here, brevity, max_batch_rows=max_batch_rows)
        self._running: AbstractContextManager[object] = running or nullcontext()
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._delay_ns = int(max_queue_delay_ms * 1e6)
        self._priority_levels = priority_levels
        self._instances = instances
        self._name = name
        self._arrivals: SimpleQueue[Work | None] = SimpleQueue()  # None: no more will come
        self._lock = threading.Lock()  # guards the next four and `Work.queued`; never held while the graph runs
        self._queued_rows = 0
        self._active = 0  # workers that have a batch
        self._in_flight = 0
        self._closing = False
        self._turn = threading.Lock()  # guards the next two: one worker at a time looks for its next batch
        self._waiting = Waiting()
        self._ended = False
        self._abandoned = False
        self._workers = [threading.Thread(target=self._work, name=f"batcher-{name}-{number}", daemon=True) for number in range(instances)]
        for worker in self._workers:
            worker.start()

    @property
    def queued_rows(self) -> int:
        """Rows that wait now."""
        return self._queued_rows

    @property
    def in_flight(self) -> int:
        """Requests without an answer now, those that wait included."""
        return self._in_flight

    async def submit(self, inputs: Tensors, *, timeout_s: float, priority: int = 0, outputs: tuple[str, ...] = ()) -> Tensors:
        """These outputs of the graph for these inputs, or all where none are named; batch on axis 0 of each.

        `priority` is 1 for what goes first, then 2 and so on up to `priority_levels`, as which higher ones count; 0 is the middle.

        Raises:
            BadQuestion: the tensors have different numbers of rows.
            QueueFull: too many rows wait. A request larger than the bound itself is taken when nothing waits.
            ShuttingDown: the batcher is closed.
            DeadlineExceeded: no answer within `timeout_s`.
            InferenceFailed: the graph raised.
        """
        loop = asyncio.get_running_loop()
        level = min(priority, self._priority_levels) or (self._priority_levels + 1) // 2
        now_ns = time.monotonic_ns()
        deadline_ns = now_ns + int(timeout_s * 1e9)
        kind, rows = kind_of(inputs, outputs), count_rows(inputs)
        work = Work(inputs, outputs, kind, rows, timeout_s, now_ns, deadline_ns, level, loop.create_future(), loop)
        self._enqueue(work)
        timer = loop.call_later(timeout_s, self._expire, work)
        try:
            return await work.future
        except asyncio.CancelledError:
            self._give_up(work, "cancelled")
            raise
        finally:
            timer.cancel()
            with self._lock:
                self._in_flight -= 1

    def close(self, drain_s: float) -> None:
        """Refuse new work, finish what waits within `drain_s` seconds and give up the rest. Blocks; closing twice does nothing more."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._arrivals.put(None)
        deadline = time.monotonic() + drain_s
        for worker in self._workers:
            worker.join(max(deadline - time.monotonic(), 0.0))
        self._inline.finish(max(deadline - time.monotonic(), 0.0))
        self._abandoned = True

    def _enqueue(self, work: Work) -> None:
        with self._lock:
            if self._closing:
                raise ShuttingDown
            if self._queued_rows and self._queued_rows + work.rows > self._max_queue_rows:
                wait_s = self.meter.seconds_for(self._queued_rows) / self._instances
                raise QueueFull(self._name, queued_rows=self._queued_rows, limit_rows=self._max_queue_rows, wait_s=wait_s)
            self._queued_rows += work.rows
            self._in_flight += 1
            # what is on its way to a thread goes first, and the more go with it the less each costs
            threaded = self._delay_ns or self._active or not self._arrivals.empty()
            if threaded or not self._inline.take(work):
                self._arrivals.put(work)

    def _give_up(self, work: Work, reason: str) -> None:
        """Drop work that nobody waits for: where it has not begun, it frees its place and its tensors at once."""
        with self._lock:
            if not work.queued:
                return
            work.queued = False
            self._queued_rows -= work.rows
            work.inputs = {}
        now_ns = time.monotonic_ns()
        work.note(now_ns, now_ns, rows=0)
        self.meter.drop(reason, now_ns - work.submitted_ns)

    def _expire(self, work: Work) -> None:
        self._give_up(work, "deadline")
        if not work.future.done():
            work.future.set_exception(DeadlineExceeded(self._name, timeout_s=work.timeout_s))

    # what follows runs on the workers' threads, `_answer_here` and what it calls on the loop too

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            self._answer(batch)

    def _next(self) -> list[Work] | None:
        """The next batch; None once no more will come."""
        with self._turn:
            while True:
                if not self._ended:
                    self._gather()
                if self._waiting.levels:
                    with self._lock:
                        self._active += 1
                    return self._waiting.take(self._max_batch_rows)
                if self._ended:
                    return None

    def _gather(self) -> None:
        """Move arrivals over; wait for one only when there is nothing else to do, and for more only as long as was asked for."""
        arrived = self._arrivals.qsize()
        if not self._waiting.levels:
            arrived = max(arrived, 1)
        for _ in range(arrived):
            self._arrive(self._arrivals.get())
        while self._delay_ns and not self._ended and self._waiting.levels and self._waiting.rows < self._max_batch_rows:
            left_ns = self._waiting.first().submitted_ns + self._delay_ns - time.monotonic_ns()
            try:
                self._arrive(self._arrivals.get(timeout=max(left_ns, 0) / 1e9))
            except Empty:
                return

    def _arrive(self, work: Work | None) -> None:
        if work is None:
            self._ended = True
        elif work.queued:
            self._waiting.add(work)

    def _answer(self, batch: Sequence[Work]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
        with self._running:
            for work, outcome in self._outcomes(batch):
                by_loop.setdefault(work.loop, []).append((work.future, outcome))
        with self._lock:  # before the answers are there: who asks again then finds the thread free
            self._active -= 1
        for loop, answers in by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, answers)
            except RuntimeError:  # the loop was closed: nobody waits for these any more
                logger.debug("%s: %d answers had no receiver", self._name, len(answers))

    def _answer_here(self, batch: Sequence[Work]) -> None:
        _deliver([(work.future, outcome) for work, outcome in self._outcomes(batch)])

    def _outcomes(self, batch: Sequence[Work]) -> Iterator[tuple[Work, Outcome]]:
        batch = self._claim(batch)
        if not batch:
            return iter(())
        outcomes: Iterable[Outcome] = [ShuttingDown() for _ in batch] if self._abandoned else self._execution.outcomes(batch)
        return zip(batch, outcomes, strict=True)

    def _claim(self, batch: Sequence[Work]) -> list[Work]:
        """Those of the batch that are still waited for, no longer queued. Late ones are dropped: their timer is due and tells."""
        now_ns = time.monotonic_ns()
        claimed: list[Work] = []
        late: list[Work] = []
        with self._lock:
            for work in batch:
                if work.queued:
                    work.queued = False
                    self._queued_rows -= work.rows
                    (claimed if work.deadline_ns > now_ns else late).append(work)
        for work in late:
            work.note(now_ns, now_ns, rows=0)
            self.meter.drop("deadline", now_ns - work.submitted_ns)
        return claimed


def _deliver(answers: Sequence[_Answer]) -> None:
    """On the event loop: hand each answer to whoever still waits."""
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, ServiceError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

"""Brief batches, run on the event loop: what gathers there, turn after turn, until a turn brings no more, is the next batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from service.batching.batch import Waiting, Work
from service.batching.brevity import Brevity


class Inline:
    """Runs batches that `brevity` expects to be brief on one event loop, at most one a turn; `run` answers a batch.

    A turn that brought requests is followed by another look: it costs a few microseconds, and callers who were answered together, and ask
    again together, go into one batch rather than two.
    """

    def __init__(self, run: Callable[[Sequence[Work]], None], brevity: Brevity, *, max_batch_rows: int) -> None:
        self._run = run
        self._brevity = brevity
        self._max_batch_rows = max_batch_rows
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = Waiting()
        self._seen_rows = 0  # that waited at the turn before
        self._turning = False
        self._finishing = False
        self._idle = threading.Event()  # set once, where somebody waits for it: setting one at every batch takes longer than a look

    def take(self, work: Work) -> bool:
        """Whether this request, which `work.loop` asks now, is run here: not where the batch may take long, or another loop is served."""
        if self._waiting.rows + work.rows > self._brevity.rows(work.kind):
            return False
        if self._loop is not work.loop and not self._moved(work.loop):
            return False
        self._waiting.add(work)
        if not self._turning:
            self._turning = True
            work.loop.call_soon(self._turn)
        return True

    def finish(self, timeout_s: float) -> None:
        """Wait, on another thread than the loop's, until nothing waits here."""
        self._finishing = True  # before this looks whether there is a turn, as a turn looks for it last
        if self._turning and self._loop is not None and not self._loop.is_closed():
            self._idle.wait(timeout_s)

    def _moved(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Serve this loop from now on, if the one before it has ended."""
        if self._loop is not None and not self._loop.is_closed():
            return False
        self._loop = loop
        self._waiting = Waiting()
        self._seen_rows = 0
        self._turning = False
        return True

    def _turn(self) -> None:
        if self._seen_rows < self._waiting.rows < self._max_batch_rows and self._loop is not None:
            self._seen_rows = self._waiting.rows
            self._loop.call_soon(self._turn)
            return
        self._seen_rows = 0
        try:
            self._run(self._waiting.take(self._max_batch_rows))
        finally:
            if self._waiting.levels and self._loop is not None:
                self._loop.call_soon(self._turn)
            else:
                self._turning = False
                if self._finishing:
                    self._idle.set()

"""A caller who hangs up while an answer is worked out: the work is cancelled, so that what still waits in a queue is never run."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.api.whole_request import WholeRequest

WATCH_AFTER_S = 0.02
"""Most answers are there sooner, and watching costs a task."""


class DisconnectWatch:
    """`with DisconnectWatch(receive):` cancels its block and raises ClientDisconnect once the caller is gone.

    The request's body must have been read whole: what `receive` gives after it is the end of the connection. A request that came `whole`
    tells by itself.
    """

    def __init__(self, receive: Receive, whole: WholeRequest | None = None, *, after_s: float = WATCH_AFTER_S) -> None:
        self._receive = receive
        self._whole = whole
        self._after_s = after_s
        self._gone = False
        self._timer: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Begin to watch, in a while."""
        self._working = asyncio.current_task()
        if self._whole is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._after_s, self._start, loop)
        elif self._whole.gone:
            self._leave()
        else:
            self._whole.on_hang_up = self._leave

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop watching."""
        if self._whole is not None:
            self._whole.on_hang_up = None
        if self._timer is not None:
            self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None  # they would hold each other until the collector comes round
        if self._gone and kind is asyncio.CancelledError and self._working is not None and not self._working.uncancel():
            raise ClientDisconnect from error

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching = loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._gone = True
        if self._working is not None:
            self._working.cancel()

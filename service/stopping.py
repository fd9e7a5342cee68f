"""What a service does when it is told to stop: it is ready no longer, goes on for a while where that is asked for, and drains."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_announced(announce: Callable[[], None], *, delay_s: float) -> Iterator[None]:
    """Inside, SIGTERM and SIGINT call `announce` at once, and `delay_s` seconds later the handlers that were there; a second one
    does not wait.

    Enter it on the running loop of the main thread; elsewhere, and where nothing handles a signal, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: handler for number in (signal.SIGTERM, signal.SIGINT) if callable(handler := signal.getsignal(number))}
    told = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal told
        announce()
        if told or not delay_s:
            before[signal.Signals(number)](number, frame)
        else:
            told = True
            loop.call_soon_threadsafe(loop.call_later, delay_s, before[signal.Signals(number)], number, None)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

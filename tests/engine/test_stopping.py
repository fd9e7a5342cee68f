from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from service.stopping import stop_announced


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """Signals that reach the handler that was there before."""
    numbers: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


def told(handled: list[int], *, delay_s: float, times: int = 1) -> list[tuple[str, int]]:
    """What happens, with how many signals had been passed on by then."""
    events: list[tuple[str, int]] = []

    async def scenario() -> None:
        with stop_announced(lambda: events.append(("announced", len(handled))), delay_s=delay_s):
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGTERM)
            while not handled:  # noqa: ASYNC110 - a signal tells nobody
                await asyncio.sleep(0.001)
        events.append(("passed on", len(handled)))

    asyncio.run(scenario())
    return events


def test_a_signal_is_announced_and_passed_on(handled: list[int]):
    assert told(handled, delay_s=0) == [("announced", 0), ("passed on", 1)]


def test_a_signal_is_passed_on_after_the_delay(handled: list[int]):
    assert told(handled, delay_s=0.02) == [("announced", 0), ("passed on", 1)]


def test_a_second_signal_does_not_wait(handled: list[int]):
    assert told(handled, delay_s=600, times=2) == [("announced", 0), ("announced", 0), ("passed on", 1)]


def test_the_former_handler_is_there_again_afterwards(handled: list[int]):
    told(handled, delay_s=0)
    os.kill(os.getpid(), signal.SIGTERM)

    assert handled == [signal.SIGTERM, signal.SIGTERM]


def test_off_the_main_thread_signals_are_left_alone(handled: list[int]):
    seen: list[object] = []

    async def scenario() -> None:
        with stop_announced(lambda: None, delay_s=0):
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: asyncio.run(scenario()))
    thread.start()
    thread.join(20)

    assert seen == [before]
    assert handled == []

"""Steps of one sequence, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from service.errors import DeadlineExceeded
from service.sequences.errors import SequencesFull
from service.sequences.standing import Key

MAX_WAITING = 64
"""Steps of one sequence that wait; those beyond are refused at once."""


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Turns:
    """One user at a time for each sequence, in the order in which they came; on one event loop."""

    def __init__(self) -> None:
        self._turns: dict[Key, _Turn] = {}

    @asynccontextmanager
    async def turn(self, key: Key, *, timeout_s: float) -> AsyncIterator[None]:
        """Inside, nobody else has the turn of this sequence.

        Raises:
            SequencesFull: too many wait for it.
            DeadlineExceeded: it was not there within `timeout_s`.
        """
        turn = self._turns.setdefault(key, _Turn())
        if turn.users > MAX_WAITING:
            raise SequencesFull(f"{MAX_WAITING} steps of sequence {key.sequence!r} of {key.model!r} wait")
        turn.users += 1
        try:
            await _acquired(turn.lock, key, timeout_s)
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]


async def _acquired(lock: asyncio.Lock, key: Key, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await lock.acquire()
    except TimeoutError as error:
        raise DeadlineExceeded(key.model, timeout_s=timeout_s) from error

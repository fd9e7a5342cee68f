"""How many sequences Redis holds that can be gone on with: of each version of a model, a sorted set by when they will have been idle.

Whichever replica finds one in it that was idle for too long takes it out, and counts it; so each is counted once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.observe.sequence_metrics import Held

logger = logging.getLogger(__name__)

PREFIX = "carousel:sequences:"
COUNT_EVERY_S = 5.0

NOW_MS = "local time = redis.call('TIME') local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)\n"
"""Lua: the time in Redis' own milliseconds."""
_COUNT = f"""{NOW_MS}
local gone = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
return {{redis.call('ZCARD', KEYS[1]), gone}}
"""


class Live:
    """Numbers of the versions of which this process has seen a sequence, as they were in all replicas some seconds ago."""

    def __init__(self, redis: Redis) -> None:
        self._count = redis.register_script(_COUNT)
        self._sequences: dict[tuple[str, int], int | None] = {}  # None where it is not known
        self._expired: Counter[str] = Counter()  # by model
        self._counting: asyncio.Task[None] | None = None

    def sets(self, model: str) -> list[str]:
        """The sorted sets of the versions of a model that were seen."""
        return [live_set(*of) for of in self._sequences if of[0] == model]

    def see(self, model: str, version: int) -> bool:
        """Count a version's sequences from now on; whether they were not counted before."""
        if (model, version) in self._sequences:
            return False
        self._sequences[model, version] = None
        if self._counting is None:
            self._counting = asyncio.create_task(self._count_on())
        return True

    def expire(self, model: str, sequences: int) -> None:
        """Count sequences that were idle for too long."""
        self._expired[model] += sequences

    def held(self) -> list[Held]:
        """What is known; what they take is not."""
        return [Held(*of, sequences=sequences) for of, sequences in sorted(self._sequences.items()) if sequences is not None]

    def expired_sequences(self) -> Mapping[str, int]:
        """Model -> how many this process has found that were idle for too long."""
        return dict(self._expired)

    async def count(self) -> None:
        """Ask Redis."""
        for model, version in list(self._sequences):
            try:
                sequences, gone = await self._count(keys=[live_set(model, version)])
            except RedisError as error:
                logger.debug("sequences cannot be counted: %s", error)
                self._sequences[model, version] = None
            else:
                self._sequences[model, version] = sequences
                self.expire(model, gone)

    async def close(self) -> None:
        """Count no more."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait((self._counting,))

    async def _count_on(self) -> None:
        while True:
            await self.count()
            if self._counting is None or self._counting.cancelling():  # the client may lose the exception, as asyncio.wait_for does
                return
            await asyncio.sleep(COUNT_EVERY_S)


def live_set(model: str, version: int) -> str:
    """Where the sequences of a version are that can be gone on with; the braces keep all of a model on one server of a cluster."""
    return f"{PREFIX}{{{model}}}/{version}"

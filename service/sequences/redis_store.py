"""Sequences in Redis, so that any replica goes on with them: of two that take the same step, one alone advances."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from service.sequences.errors import SequenceConflict, SequenceStoreFailed
from service.sequences.portable import dumped, parsed
from service.sequences.standing import REVISION_BYTES, Absence, Key, Standing

logger = logging.getLogger(__name__)

PREFIX = "carousel:sequence:"
MAX_CONNECTIONS = 32
TIMEOUT_S = 5.0
"""For a connection to be made, for one to be free, and for an answer."""
TOLD_S = 3600.0
"""For so long after a sequence was idle for too long, or has ended, it is known that it was there."""

_REVISION = 2 * REVISION_BYTES  # characters at the start of a value

_REPLACE = f"""
local now = redis.call('GETRANGE', KEYS[1], 0, {_REVISION - 1})
if now == ARGV[2] then return 1 end -- done before: its answer was lost
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('SET', KEYS[2], 'expired', 'PX', ARGV[5])
return 1
"""
_REMOVE = f"""
local now = redis.call('GETRANGE', KEYS[1], 0, {_REVISION - 1})
if now ~= '' and now ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], 'ended', 'PX', ARGV[2])
return 1
"""


class RedisStore:
    """A store for several processes, at a URL as `redis://:password@host:6379/0`. Redis must be 6.2 or newer.

    Raises:
        ValueError: the URL is none of Redis.
    """

    def __init__(self, url: str, *, idle_s: float) -> None:
        self.idle_s = idle_s
        pool = BlockingConnectionPool.from_url(
            url, max_connections=MAX_CONNECTIONS, timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        self._redis = Redis.from_pool(pool)
        self._replace = self._redis.register_script(_REPLACE)
        self._remove = self._redis.register_script(_REMOVE)

    async def read(self, key: Key) -> Standing | Absence:
        """As of every store."""
        value, trace = _names(key)
        with _answering():
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.getex(value, px=_ms(self.idle_s))
                pipeline.get(trace)
                found, told = await pipeline.execute()
        if found is None:
            return {b"ended": "ended", b"expired": "expired"}.get(told, "unknown")  # type: ignore[return-value]  # each is an Absence
        try:
            return parsed(found[_REVISION:], revision=found[:_REVISION].decode())
        except ValueError as error:
            detail = (
                f"what the store holds of sequence {key.sequence!r} of {key.model!r} cannot be read: {error}: begin one by another name"
            )
            raise SequenceConflict(detail) from error

    async def replace(self, key: Key, found: Standing | Absence, after: Standing | None) -> bool:
        """As of every store."""
        names = _names(key)
        revision = found.revision if isinstance(found, Standing) else ""
        told_ms = _ms(self.idle_s + TOLD_S)
        with _answering():
            if after is None:
                return bool(await self._remove(keys=names, args=[revision, told_ms]))
            value = after.revision.encode() + dumped(after)
            return bool(await self._replace(keys=names, args=[revision, after.revision, value, _ms(self.idle_s), told_ms]))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        logger.warning("the store of sequences does not answer: %s", error)
        raise SequenceStoreFailed from error


def _names(key: Key) -> list[str]:
    """Where the standing is, and where it is told that it was; the braces keep both on one server of a cluster."""
    value = f"{PREFIX}{{{key.model}/{key.sequence}}}"
    return [value, f"{value}:was"]


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))

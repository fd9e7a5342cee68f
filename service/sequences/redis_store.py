"""Sequences in Redis, so that any replica goes on with them: of two that take the same step, one alone advances."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from service.observe.sequence_metrics import Held
from service.sequences.errors import SequenceConflict, SequenceStoreFailed
from service.sequences.portable import dumped, parsed
from service.sequences.redis_live import NOW_MS, Live, live_set
from service.sequences.standing import REVISION_BYTES, Absence, Key, Standing

logger = logging.getLogger(__name__)

PREFIX = "carousel:sequence:"
TRACE_PREFIX = "carousel:sequence-was:"
MAX_CONNECTIONS = 32
TIMEOUT_S = 5.0
"""For a connection to be made, for one to be free, and for an answer."""
TOLD_S = 3600.0
"""For so long after a sequence was idle for too long, or has ended, it is known that it was there."""

_REVISION = 2 * REVISION_BYTES  # characters at the start of a value

# KEYS of all: the value, where it is told that it was there, and sorted sets of those that can be gone on with
_READ = f"""
local value = redis.call('GETEX', KEYS[1], 'PX', ARGV[1])
if value then
  {NOW_MS}
  for place = 3, #KEYS do redis.call('ZADD', KEYS[place], 'XX', now_ms + ARGV[1], ARGV[2]) end
end
return {{value, redis.call('GET', KEYS[2])}}
"""
_REPLACE = f"""
local was = redis.call('GETRANGE', KEYS[1], 0, {_REVISION - 1})
if was == ARGV[2] then return {{1, 0}} end -- done before: its answer was lost
if was ~= ARGV[1] then return {{0, 0}} end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[5])
{NOW_MS}
local gone = redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now_ms)
for place = 3, #KEYS do redis.call('ZREM', KEYS[place], ARGV[7]) end
if ARGV[6] == 'expired' then
  redis.call('ZADD', KEYS[3], now_ms + ARGV[4], ARGV[7])
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
return {{1, gone}}
"""
_REMOVE = f"""
local was = redis.call('GETRANGE', KEYS[1], 0, {_REVISION - 1})
if was ~= '' and was ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], 'ended', 'PX', ARGV[2])
for place = 3, #KEYS do redis.call('ZREM', KEYS[place], ARGV[3]) end
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
        self._live = Live(self._redis)
        self._read = self._redis.register_script(_READ)
        self._replace = self._redis.register_script(_REPLACE)
        self._remove = self._redis.register_script(_REMOVE)

    async def read(self, key: Key) -> Standing | Absence:
        """As of every store."""
        found = await self._found(key)
        if isinstance(found, Standing) and self._live.see(found.model, found.version):
            found = await self._found(key)  # again, as the version's sorted set was not known
        return found

    async def replace(self, key: Key, found: Standing | Absence, after: Standing | None) -> bool:
        """As of every store."""
        revision, before = "", []
        if isinstance(found, Standing):
            revision, before = found.revision, [live_set(found.model, found.version)]
        told_ms = _ms(self.idle_s + TOLD_S)
        with _answering():
            if after is None:
                return bool(await self._remove(keys=[*_names(key), *before], args=[revision, told_ms, key.sequence]))
            self._live.see(after.model, after.version)
            told = "ended" if after.ended else "expired"
            changed, gone = await self._replace(
                keys=[*_names(key), live_set(after.model, after.version), *before],
                args=[revision, after.revision, _value(after), _ms(self.idle_s), told_ms, told, key.sequence],
            )
        self._live.expire(key.model, gone)
        return bool(changed)

    async def close(self) -> None:
        """Close the connections."""
        await self._live.close()
        await self._redis.aclose()

    def held(self) -> list[Held]:
        """Of all replicas, as it was a few seconds ago; nothing of versions of which none of their sequences was seen here."""
        return self._live.held()

    def expired_sequences(self) -> Mapping[str, int]:
        """Model -> how many were idle for too long, of those that no other replica has counted."""
        return self._live.expired_sequences()

    async def _found(self, key: Key) -> Standing | Absence:
        with _answering():
            found, told = await self._read(keys=[*_names(key), *self._live.sets(key.model)], args=[_ms(self.idle_s), key.sequence])
        if found is None:
            return {b"ended": "ended", b"expired": "expired"}.get(told, "unknown")  # type: ignore[return-value]  # each is an Absence
        try:
            return parsed(found[_REVISION:], revision=found[:_REVISION].decode())
        except ValueError as error:
            detail = (
                f"what the store holds of sequence {key.sequence!r} of {key.model!r} cannot be read: {error}: begin one by another name"
            )
            raise SequenceConflict(detail) from error


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        logger.warning("the store of sequences does not answer: %s", error)
        raise SequenceStoreFailed from error


def _names(key: Key) -> list[str]:
    """Where the standing is, and where it is told that it was."""
    sequence = f"{{{key.model}}}/{key.sequence}"
    return [f"{PREFIX}{sequence}", f"{TRACE_PREFIX}{sequence}"]


def _value(standing: Standing) -> bytes:
    return standing.revision.encode() + dumped(standing)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))

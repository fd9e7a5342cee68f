"""Sequences in a real Redis, which the tests start where it is installed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service.app import create_app
from service.errors import StartupError
from service.observe.sequence_metrics import Held
from service.sequences import redis_live
from service.sequences.errors import SequenceConflict, SequenceNotFound, SequenceStoreFailed
from service.sequences.opening import open_store
from service.sequences.redis_store import RedisStore
from service.sequences.standing import Key, Standing
from service.sequences.store import Store
from service.settings import Settings
from tests.api.conftest import serving
from tests.process import running, until

from .models import Digits, Registry
from .test_http import TOKENS, alone, client_of
from .test_overtaking import check_steps_without_an_index, check_the_same_step, check_two_steps_of_one_index
from .without_server import IDLE_S, Service

VALUE = "carousel:sequence:{digits}/a"
TRACE = "carousel:sequence-was:{digits}/a"
LIVE = "carousel:sequences:{digits}/1"


@asynccontextmanager
async def emptied(url: str) -> AsyncIterator[tuple[Redis, RedisStore]]:
    """A client, and a store of an empty database."""
    store = RedisStore(url, idle_s=IDLE_S)
    async with Redis.from_url(url) as client:
        await client.flushdb()
        try:
            yield client, store
        finally:
            await store.close()


def test_steps_go_on_in_another_replica(redis_url: str):
    async def steps() -> list[int]:
        async with emptied(redis_url) as (_, store):
            one, other = Service(store), Service(RedisStore(redis_url, idle_s=IDLE_S))
            written = [await one.step(1, start=True, index=0), await other.step(2, index=1), await one.step(2, index=1)]
            written += [await one.step(3), await other.step(4, index=3, end=True), await one.step(4, index=3, end=True)]
            await other.sequences.close()
            return written

    assert asyncio.run(steps()) == [1, 12, 12, 123, 1234, 1234]


@pytest.mark.parametrize("check", [check_steps_without_an_index, check_the_same_step, check_two_steps_of_one_index])
def test_replicas_that_step_at_the_same_time_never_advance_from_one_state_twice(redis_url: str, check: Callable[[Store], Awaitable[None]]):
    async def steps() -> None:
        async with emptied(redis_url) as (_, store):
            await check(store)

    asyncio.run(steps())


def test_a_sequence_is_forgotten_by_redis_and_why_it_is_gone_is_known(redis_url: str):
    async def steps() -> None:
        async with emptied(redis_url) as (client, store):
            service = Service(store)
            await service.step(1, start=True)
            assert 0 < await client.pttl(VALUE) <= IDLE_S * 1000
            assert await client.pttl(TRACE) > IDLE_S * 1000
            await client.delete(VALUE)  # as Redis does it after a minute
            with pytest.raises(SequenceNotFound, match="was idle for over 60 s and is forgotten"):
                await service.step(2)
            await service.step(1, start=True)
            await service.step(2, end=True)
            assert await client.get(VALUE) is None
            with pytest.raises(SequenceNotFound, match="has ended"):
                await service.step(3)
            with pytest.raises(SequenceNotFound, match="was never begun here"):
                await service.step(3, "b")

    asyncio.run(steps())


def test_asking_for_a_sequence_keeps_it(redis_url: str):
    async def steps() -> tuple[int, int]:
        async with emptied(redis_url) as (client, store):
            await Service(store).step(1, start=True, index=0)
            seconds, _ = await client.time()
            await client.pexpire(VALUE, 5000)
            await client.zadd(LIVE, {"a": seconds * 1000 + 5000})
            other = Service(RedisStore(redis_url, idle_s=IDLE_S))
            await other.step(1, start=True, index=0)
            await other.sequences.close()
            return int(await client.pttl(VALUE)), int(await client.zscore(LIVE, "a") - seconds * 1000)

    left_ms, counted_ms = asyncio.run(steps())
    assert left_ms > 5000
    assert counted_ms > 5000


async def until_told(told: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not told():  # noqa: ASYNC110 - nobody is told when sequences are counted
            await asyncio.sleep(0.005)


def test_each_replica_counts_the_sequences_of_all_and_those_that_it_finds_forgotten(redis_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_live, "COUNT_EVERY_S", 0.01)

    async def steps() -> None:
        async with emptied(redis_url) as (client, store):
            one, other = Service(store), Service(second := RedisStore(redis_url, idle_s=IDLE_S))
            for sequence in "ab":
                await one.step(1, sequence, start=True)
            await one.step(1, "c", start=True, index=0, end=True)  # which can be sent again, and not be gone on with
            await other.step(2, "a")
            await until_told(lambda: store.held() == second.held() == [Held("digits", 1, sequences=2)])
            await client.delete(VALUE)  # as Redis does it after a minute
            await client.zadd(LIVE, {"a": 0})
            await until_told(lambda: store.held() == second.held() == [Held("digits", 1, sequences=1)])
            assert store.expired_sequences().get("digits", 0) + second.expired_sequences().get("digits", 0) == 1
            await other.forget("b")
            await until_told(lambda: store.held() == second.held() == [Held("digits", 1, sequences=0)])
            await second.close()

    asyncio.run(steps())


def test_a_sequence_that_begins_anew_is_counted_where_it_is(redis_url: str):
    async def steps() -> tuple[list[bytes], list[bytes], int]:
        async with emptied(redis_url) as (client, store):
            service = Service(store, Registry({1: Digits.of(1), 2: Digits.of(2)}))
            await service.step(1, start=True, version=1)
            await service.step(1, start=True)
            await client.delete("carousel:sequence:{digits}/a")
            await client.zadd("carousel:sequences:{digits}/2", {"a": 0})
            await service.step(1, start=True)  # nobody has counted the one that was forgotten
            newer = await client.zrange("carousel:sequences:{digits}/2", 0, -1)
            return await client.zrange(LIVE, 0, -1), newer, store.expired_sequences()["digits"]

    assert asyncio.run(steps()) == ([], [b"a"], 1)


def test_metrics_tell_of_sequences_in_redis_but_not_of_bytes(redis_url: str, models: Path):
    settings = Settings(models=models, sequence_store=redis_url)
    with serving(create_app(settings)) as address, client_of(address) as client, httpx.Client(base_url=address) as http:
        client.step(TOKENS[0], "told", start=True)
        until(lambda: 'carousel_sequences{model="words",version="2"}' in http.get("/metrics").text)
        assert "carousel_sequence_bytes{" not in http.get("/metrics").text


def test_where_redis_is_gone_nothing_is_told_of_what_it_holds(tmp_path: Path):
    async def steps() -> list[Held]:
        async with Redis(unix_socket_path=f"{tmp_path}/none.sock", retry=Retry(NoBackoff(), 0)) as client:
            counting = redis_live.Live(client)
            counting.see("digits", 1)
            await counting.count()
            await counting.close()
            return counting.held()

    assert asyncio.run(steps()) == []


def test_a_change_whose_answer_was_lost_is_not_made_twice(redis_url: str):
    async def steps() -> list[bool]:
        async with emptied(redis_url) as (_, store):
            service, key = Service(store), Key("digits", "a")
            await service.step(1, start=True)
            found = await store.read(key)
            await service.step(2)
            after = await store.read(key)
            assert isinstance(after, Standing)
            changed = [await store.replace(key, found, after), await store.replace(key, found, None), await store.replace(key, after, None)]
            return [*changed, await store.replace(key, after, None)]

    assert asyncio.run(steps()) == [True, False, True, True]


def test_a_sequence_is_taken_out_of_redis_put_back_and_ended(redis_url: str):
    async def steps() -> list[int]:
        async with emptied(redis_url) as (_, store):
            service = Service(store)
            await service.step(1, start=True)
            steps = await service.restore(await service.export(), "b")
            return [steps, await service.step(2, "b"), await service.forget("b"), await service.step(3)]

    assert asyncio.run(steps()) == [1, 12, 2, 13]


def test_what_is_not_of_this_release_is_refused(redis_url: str):
    async def steps() -> None:
        async with emptied(redis_url) as (client, store):
            await client.set(VALUE, b"0" * 32 + b"other")
            with pytest.raises(
                SequenceConflict, match=r"what the store holds of sequence 'a' of 'digits' cannot be read: .*: begin one by"
            ):
                await Service(store).step(1, start=True)

    asyncio.run(steps())


def test_without_redis_a_step_is_answered_503(tmp_path: Path):
    async def steps() -> None:
        service = Service(RedisStore(f"unix://{tmp_path}/none.sock", idle_s=IDLE_S))
        with pytest.raises(SequenceStoreFailed, match="the store of sequences does not answer: send this again later"):
            await service.step(1, start=True)
        await service.sequences.close()

    asyncio.run(steps())


def test_two_services_answer_one_client_in_turn(redis_url: str, models: Path):
    settings = Settings(models=models, sequence_store=redis_url)
    with serving(create_app(settings)) as one, serving(create_app(settings)) as other, client_of(one) as first, client_of(other) as second:
        stepped = [(first, second)[number % 2].step(token, "turns", start=number == 0, index=number) for number, token in enumerate(TOKENS)]

    np.testing.assert_allclose(stepped, alone(models, 2), atol=1e-6)


def test_workers_go_on_with_each_others_sequences(redis_url: str, models: Path):
    with running(models, "--workers", "2", "--sequence-store", redis_url) as server:
        until(lambda: len(server.workers()) == 2)
        stepped = []
        for number, token in enumerate(TOKENS):
            with client_of(server.address) as client:  # a connection of its own, which goes to either
                stepped.append(client.step(token, "workers", start=number == 0, index=number))
        assert "sequence" in server.ask("/v2").json()["extensions"]

    np.testing.assert_allclose(stepped, alone(models, 2), atol=1e-6)


def test_a_url_that_is_none_of_redis_is_said_at_the_start(models: Path):
    with pytest.raises(StartupError, match=r"--sequence-store is no URL of Redis: .*: write redis://HOST:PORT/NUMBER"):
        open_store(Settings(models=models, sequence_store="redis://localhost:port/0"))


def test_a_service_that_lacks_the_client_says_what_to_install(models: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "service.sequences.redis_store", None)  # as where what it imports is not there

    with pytest.raises(
        StartupError, match=r"needs its client: `pip install 'carousel-serve\[redis\]'`, or start with --sequence-store memory"
    ):
        open_store(Settings(models=models, sequence_store="redis://localhost:6379/0"))

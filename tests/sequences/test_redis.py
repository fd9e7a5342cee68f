"""Sequences in a real Redis, which the tests start where it is installed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis

from service.app import create_app
from service.errors import StartupError
from service.sequences.errors import SequenceConflict, SequenceNotFound, SequenceStoreFailed
from service.sequences.opening import open_store
from service.sequences.redis_store import RedisStore
from service.sequences.standing import Key, Standing
from service.sequences.store import Store
from service.settings import Settings
from tests.api.conftest import serving
from tests.process import running, until

from .test_http import TOKENS, alone, client_of
from .test_overtaking import check_steps_without_an_index, check_the_same_step, check_two_steps_of_one_index
from .without_server import IDLE_S, Service

VALUE = "carousel:sequence:{digits/a}"


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
            assert await client.pttl(f"{VALUE}:was") > IDLE_S * 1000
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
    async def steps() -> int:
        async with emptied(redis_url) as (client, store):
            service = Service(store)
            await service.step(1, start=True, index=0)
            await client.pexpire(VALUE, 5000)
            await service.step(1, start=True, index=0)
            return int(await client.pttl(VALUE))

    assert asyncio.run(steps()) > 5000


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

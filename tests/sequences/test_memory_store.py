"""Sequences in memory: bounded in number, in bytes and in time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.observe.sequence_metrics import Held, SequenceMetrics
from service.sequences.errors import SequenceConflict, SequenceNotFound, SequencesFull
from service.sequences.memory_store import ENTRY_BYTES, MAX_GONE, MemoryStore
from service.sequences.standing import Key

from .without_server import IDLE_S, Clock, Service, in_memory

EACH = ENTRY_BYTES + 16  # two states of 8 bytes


def test_a_sequence_too_many_is_refused_until_one_ends():
    async def steps() -> int:
        clock = Clock()
        service = Service(in_memory(clock, max_sequences=2))
        await service.step(1, "a", start=True)
        clock.now += 50
        await service.step(2, "b", start=True)
        with pytest.raises(SequencesFull, match=f"2 sequences of {2 * EACH} bytes are kept, and no more may be") as raised:
            await service.step(3, "c", start=True)
        assert raised.value.headers == {"Retry-After": "10"}
        await service.step(1, "a", end=True)
        await service.step(3, "c", start=True)
        return await service.step(4, "c")

    assert asyncio.run(steps()) == 34


def test_bytes_are_bounded_as_well():
    async def steps() -> None:
        service = Service(in_memory(max_bytes=2 * EACH))
        await service.step(1, "a", start=True)
        await service.step(1, "b", start=True)
        with pytest.raises(SequencesFull):
            await service.step(1, "c", start=True)
        assert await service.step(2, "b") == 12

    asyncio.run(steps())


def test_those_that_have_ended_make_room():
    async def steps() -> None:
        service = Service(in_memory(max_sequences=2))
        await service.step(1, "a", start=True, index=0, end=True)
        await service.step(1, "b", start=True, index=0)
        await service.step(1, "c", start=True, index=0)
        assert await service.step(2, "b") == 12
        with pytest.raises(SequenceNotFound, match="has ended"):
            await service.step(1, "a", index=0)

    asyncio.run(steps())


def test_metrics_tell_of_what_is_here_and_of_what_was_forgotten():
    async def steps() -> None:
        clock = Clock()
        service = Service(store := in_memory(clock))
        metrics = SequenceMetrics(store.held, store.expired_sequences)
        await service.step(1, "a", start=True)
        await service.step(1, "b", start=True, index=0, end=True)
        assert store.held() == [Held("digits", 1, sequences=1, bytes=2 * EACH - 8)]
        clock.now += IDLE_S
        samples = {sample.name: sample.value for metric in metrics.collect() for sample in metric.samples}
        assert samples == {"carousel_sequences_expired_total": 1}

    asyncio.run(steps())


def test_what_is_no_longer_here_is_remembered_for_so_many_and_no_more():
    async def steps() -> tuple[str, str]:
        store = in_memory()
        service = Service(store)
        await service.step(1, "first", start=True, end=True)
        store._gone.update({Key("digits", str(number)): "ended" for number in range(MAX_GONE - 1)})
        await service.step(1, "last", start=True, index=0)
        await service.forget("last")
        return await told(service, "first"), await told(service, "last")

    async def told(service: Service, sequence: str) -> str:
        with pytest.raises(SequenceNotFound) as raised:
            await service.step(1, sequence)
        return raised.value.detail

    first, last = asyncio.run(steps())
    assert "was never begun here" in first
    assert "has ended" in last


def test_a_closed_store_is_empty():
    async def steps() -> list[Held]:
        store = in_memory()
        service = Service(store)
        await service.step(1, start=True)
        await service.sequences.close()
        return store.held()

    assert asyncio.run(steps()) == []


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["start", "end", "again", "go"]), st.sampled_from([0.0, 20.0]))))
def test_whatever_happens_the_bytes_are_those_of_what_is_here(operations: list[tuple[str, str, float]]):
    async def check() -> None:
        clock = Clock()
        store: MemoryStore = in_memory(clock, max_sequences=4, max_bytes=3 * EACH)
        service = Service(store)
        for name, what, seconds in operations:
            clock.now += seconds
            index = 0 if what == "again" else None
            with suppress(SequenceConflict, SequenceNotFound, SequencesFull):
                await service.step(1, name, start=what in ("start", "again"), end=what in ("end", "again"), index=index)
            assert sum(one.bytes for one in store.held()) == store._bytes == sum(entry.bytes for entry in store._entries.values())
            assert store._bytes <= 3 * EACH
            assert len(store._entries) <= 4

    asyncio.run(check())

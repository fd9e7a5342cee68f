"""Replicas that take steps of one sequence at the same time: no state is advanced from twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest

from service.sequences.errors import SequenceConflict
from service.sequences.standing import Absence, Key, Standing
from service.sequences.store import Store

from .models import Digits, Registry
from .without_server import IDLE_S, Service, in_memory


def replicas(store: Store) -> tuple[Service, Service]:
    """Two services with one store and models of their own."""
    return Service(store), Service(store, Registry({1: Digits.of()}))


async def at_once(one: Service, other: Service, steps: tuple[tuple[int, int | None], tuple[int, int | None]]) -> list[int | str]:
    """Both have read where the sequence stands before either writes; what they answer, or the kind of error."""
    for service in (one, other):
        service.registry.models[1].open.clear()
        service.registry.models[1].asked.clear()
    pending = [asyncio.create_task(service.step(digit, index=index)) for service, (digit, index) in zip((one, other), steps, strict=True)]
    while not (one.registry.models[1].asked and other.registry.models[1].asked):  # noqa: ASYNC110 - models tell nobody that they are asked
        await asyncio.sleep(0.001)
    for service in (one, other):
        service.registry.models[1].open.set()
    return [getattr(found, "slug", found) for found in await asyncio.gather(*pending, return_exceptions=True)]


async def check_steps_without_an_index(store: Store) -> None:
    """Each of two is taken once, in the one order or the other."""
    one, other = replicas(store)
    await one.step(1, start=True)

    found = await at_once(one, other, ((2, None), (3, None)))

    assert found in ([12, 123], [132, 13])
    assert await other.step(4) == max(found) * 10 + 4


async def check_the_same_step(store: Store) -> None:
    """Sent to both it is taken once and answered twice."""
    one, other = replicas(store)
    await one.step(1, start=True, index=0)

    assert await at_once(one, other, ((2, 1), (2, 1))) == [12, 12]
    assert await other.step(3, index=2) == 123


async def check_two_steps_of_one_index(store: Store) -> None:
    """One of them is taken, the other refused."""
    one, other = replicas(store)
    await one.step(1, start=True, index=0)

    found = await at_once(one, other, ((2, 1), (3, 1)))

    assert found in ([12, "sequence-conflict"], ["sequence-conflict", 13])


def test_two_replicas_take_each_step_once():
    asyncio.run(check_steps_without_an_index(in_memory()))


def test_a_step_that_two_replicas_get_is_taken_once():
    asyncio.run(check_the_same_step(in_memory()))


def test_of_two_steps_with_one_index_one_is_refused():
    asyncio.run(check_two_steps_of_one_index(in_memory()))


@dataclass(slots=True)
class Crowd:
    """A store in which somebody else is always quicker."""

    idle_s: float = IDLE_S

    async def read(self, _key: Key) -> Standing | Absence:
        return "unknown"

    async def replace(self, _key: Key, _found: Standing | Absence, _after: Standing | None) -> bool:
        return False

    async def close(self) -> None:
        pass


def test_who_is_overtaken_again_and_again_is_told_so():
    async def steps() -> None:
        service = Service(cast(Store, Crowd()))
        with pytest.raises(SequenceConflict, match="others change sequence 'a' of 'digits' all the time: send one step after the other"):
            await service.step(1, start=True)

    asyncio.run(steps())

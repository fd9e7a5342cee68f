"""Steps of sequences: what advances, what does not, and what is refused with the step that is next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadQuestion, DeadlineExceeded
from service.sequences.errors import SequenceConflict, SequenceNotFound, SequencesClosed, SequencesFull
from service.sequences.standing import Key
from service.sequences.turns import MAX_WAITING

from .models import Digits
from .without_server import IDLE_S, Clock, Service, in_memory


def test_each_step_goes_on_from_the_one_before():
    async def steps() -> list[tuple[int, int]]:
        service = Service(in_memory())
        return [
            await service.numbered(1, start=True),
            await service.numbered(2),
            await service.numbered(7, "b", start=True),
            await service.numbered(3, end=True),
        ]

    assert asyncio.run(steps()) == [(1, 0), (12, 1), (7, 0), (123, 2)]


def test_a_step_that_is_sent_again_is_answered_again_and_does_not_advance():
    async def steps() -> list[int]:
        service = Service(in_memory())
        sent = [(1, 0), (1, 0), (2, 1), (2, 1), (2, 1), (3, 2)]
        return [await service.step(digit, start=index == 0, index=index) for digit, index in sent]

    assert asyncio.run(steps()) == [1, 1, 12, 12, 12, 123]


def test_the_last_step_may_be_sent_again_after_the_end():
    async def steps() -> list[int]:
        service = Service(in_memory())
        await service.step(1, start=True, index=0)
        return [await service.step(2, end=True, index=1), await service.step(2, end=True, index=1)]

    assert asyncio.run(steps()) == [12, 12]


@pytest.mark.parametrize(
    ("digit", "start", "index", "words"),
    [
        (9, False, 0, "is at step 3, not 0: step 0 was taken before, and only step 2 can be sent again"),
        (9, False, 2, "is at step 3, not 2: step 2 was taken otherwise, and can be sent again only as it was"),
        (9, False, 4, "is at step 3, not 4: steps between are missing"),
        (1, True, 0, "is at step 3, not 0: begin it again without a sequence_index, or end it first"),
    ],
)
def test_a_step_that_is_not_next_is_refused_with_the_one_that_is(digit: int, start: bool, index: int, words: str):
    async def steps() -> None:
        service = Service(in_memory())
        for number in range(3):
            await service.step(number + 1, start=number == 0, index=number)
        with pytest.raises(SequenceConflict) as raised:
            await service.step(digit, start=start, index=index)
        assert raised.value.detail == f"sequence 'a' of 'digits' {words}"
        assert await service.step(4, index=3) == 1234

    asyncio.run(steps())


def test_what_there_is_to_go_on_from_is_said_to_be_unknown_ended_or_forgotten():
    async def steps() -> list[str]:
        clock = Clock()
        service = Service(in_memory(clock))
        await service.step(1, "ended", start=True, end=True)
        await service.step(1, "kept", start=True, index=0, end=True)
        await service.step(1, "idle", start=True)
        found = []
        for sequence in ("unknown", "ended", "kept", "idle"):
            clock.now += IDLE_S if sequence == "idle" else 0
            with pytest.raises(SequenceNotFound) as raised:
                await service.step(2, sequence)
            found.append(raised.value.detail.removeprefix(f"sequence {sequence!r} of 'digits' "))
        return found

    assert asyncio.run(steps()) == [
        "was never begun here, or so long ago that nothing is known of it: begin it with sequence_start",
        "has ended: begin it again with sequence_start",
        "has ended: begin it again with sequence_start",
        "was idle for over 60 s and is forgotten: begin it again with sequence_start",
    ]


def test_asking_for_a_sequence_keeps_it():
    async def steps() -> int:
        clock = Clock()
        service = Service(in_memory(clock))
        await service.step(1, start=True, index=0)
        for _ in range(5):
            clock.now += IDLE_S - 1
            await service.step(1, start=True, index=0)
        return await service.step(2)

    assert asyncio.run(steps()) == 12


def test_a_step_that_fails_leaves_the_state_as_it_was():
    async def steps() -> int:
        service = Service(in_memory())
        await service.step(1, start=True)
        with pytest.raises(ArithmeticError, match="poison"):
            await service.step(-1)
        return await service.step(2, index=1)

    assert asyncio.run(steps()) == 12


def test_a_step_whose_client_leaves_leaves_the_state_as_it_was():
    async def steps() -> int:
        service = Service(in_memory())
        await service.step(1, start=True)
        model = service.registry.models[1]
        model.open.clear()
        leaving = asyncio.create_task(service.step(9))
        while model.asked != [1, 9]:  # noqa: ASYNC110 - the model tells nobody that it is asked
            await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        model.open.set()
        return await service.step(2)

    assert asyncio.run(steps()) == 12


def test_steps_of_one_sequence_at_the_same_time_are_taken_one_after_the_other():
    async def steps() -> tuple[list[int], list[int]]:
        service = Service(in_memory())
        model = service.registry.models[1]
        await service.step(1, "a", start=True)
        await service.step(7, "b", start=True)
        model.open.clear()
        pending = [asyncio.create_task(service.step(digit, name)) for digit, name in ((2, "a"), (3, "a"), (4, "a"), (8, "b"))]
        for _ in range(20):
            await asyncio.sleep(0)
        running = model.asked[2:]
        model.open.set()
        return running, list(await asyncio.gather(*pending))

    assert asyncio.run(steps()) == ([2, 8], [12, 123, 1234, 78])


def test_too_many_that_wait_are_refused_and_one_that_waits_too_long_is_told_so():
    async def steps() -> None:
        service = Service(in_memory())
        model = service.registry.models[1]
        model.open.clear()
        first = asyncio.create_task(service.step(1, start=True))
        waiting = [asyncio.create_task(service.step(2)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(SequencesFull, match="64 steps of sequence 'a' of 'digits' wait: send this again after 1 s"):
            await service.step(2)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(DeadlineExceeded):
            await service.sequences.export(Key("digits", "a"), timeout_s=0.001)
        model.open.set()
        assert await first == 1
        assert await service.step(2) == 12

    asyncio.run(steps())


def test_a_sequence_stays_on_the_version_that_it_began_on():
    async def steps() -> list[list[int]]:
        service = Service(in_memory())
        old, new = service.registry.models[1], Digits.of(2, graph="b")
        await service.step(1, start=True)
        service.registry.models[2] = new
        await service.step(2)
        await service.step(5, "b", start=True)
        await service.step(3, version=1)
        with pytest.raises(SequenceConflict, match="is of version 1, not 2: name that version or none, or begin another sequence"):
            await service.step(4, version=2)
        return [old.asked, new.asked]

    assert asyncio.run(steps()) == [[1, 2, 3], [5]]


def test_a_sequence_whose_version_is_gone_or_replaced_is_refused_and_begins_again():
    async def steps() -> None:
        service = Service(in_memory())
        await service.step(1, start=True)
        service.registry.models = {1: Digits.of(1, graph="c")}
        with pytest.raises(SequenceConflict, match="began on version 1, in whose place there is another graph here: begin it again"):
            await service.step(2)
        service.registry.models = {2: Digits.of(2)}
        with pytest.raises(SequenceConflict, match="began on version 1, which is not served here: begin it again with sequence_start"):
            await service.step(2)
        assert await service.step(3, start=True) == 3
        assert await service.step(4) == 34

    asyncio.run(steps())


def test_a_model_without_state_has_no_sequences():
    async def steps() -> None:
        service = Service(in_memory())
        model = service.registry.models[1]
        model.manifest = model.manifest.model_copy(update={"state": {}})
        with pytest.raises(BadQuestion, match="'digits' has no state to keep from step to step: leave it out"):
            await service.step(1, start=True)

    asyncio.run(steps())


def test_several_processes_without_a_store_in_common_keep_none():
    async def steps() -> None:
        service = Service(in_memory())
        service.sequences._store = None
        for ask in (service.step(1, start=True), service.export(), service.restore(b""), service.forget()):
            with pytest.raises(SequencesClosed, match="start the service with --workers 1 or with --sequence-store redis://HOST:PORT"):
                await ask

    asyncio.run(steps())


@dataclass(slots=True)
class Told:
    """What a sequence should be, from all of its steps since its start: (digit, start, end)."""

    steps: list[tuple[int, bool, bool]] = field(default_factory=list)
    ended: bool = False
    again: bool = True  # whether the last step may be sent again
    asked: float = 0.0

    def number(self) -> int:
        return int("".join(str(digit) for digit, _, _ in self.steps))


OPERATIONS = st.tuples(
    st.sampled_from("ab"),
    st.integers(1, 9),
    st.sampled_from([False, False, False, True]),  # start
    st.sampled_from([False, False, False, True]),  # end
    st.sampled_from([None, "next", "last", "last", "stale", "ahead"]),
    st.sampled_from([0.0, 0.0, 0.0, 1.0, IDLE_S]),  # seconds before it
)


@given(st.lists(OPERATIONS, max_size=40), st.booleans())
def test_whatever_is_sent_a_sequence_holds_each_of_its_steps_once(
    operations: list[tuple[str, int, bool, bool, str | None, float]], same: bool
):
    """`same` sends the last digit again where the last index is sent again."""

    async def check() -> None:
        clock = Clock()
        service = Service(in_memory(clock))
        told: dict[str, Told] = {}
        for name, drawn, start, end, which, seconds in operations:
            clock.now += seconds
            known = told.get(name)
            if known is not None and clock.now - known.asked >= IDLE_S:
                known = None
            taken = len(known.steps) if known else 0
            index = {"next": taken, "last": max(taken - 1, 0), "stale": max(taken - 2, 0), "ahead": taken + 1}.get(which or "")
            if start and index:
                index = 0  # what else it says is refused before
            step = (drawn, start, end)
            if same and known and which == "last":
                step = known.steps[-1]
            expected = told_after(told, name, step, index, alive=known is not None)
            try:
                found: int | str = await service.step(step[0], name, start=step[1], end=step[2], index=index)
            except (SequenceNotFound, SequenceConflict) as error:
                found = error.slug
            assert found == expected
            if name in told:
                told[name].asked = clock.now

    asyncio.run(check())


def told_after(told: dict[str, Told], name: str, step: tuple[int, bool, bool], index: int | None, *, alive: bool) -> int | str:
    """What a step should be answered; `told` is brought up to date."""
    _, start, end = step
    if not alive:
        told.pop(name, None)
    known = told.get(name)
    if start and (known is None or known.ended or index is None):
        told[name] = Told([step], ended=end, again=index is not None or not end)
        return told[name].number()
    if known is None:
        return SequenceNotFound.slug
    last = len(known.steps) - 1
    if known.ended and not (known.again and index == last):
        return SequenceNotFound.slug
    if index == last:
        return known.number() if known.steps[-1] == step else SequenceConflict.slug
    if index not in (None, last + 1):
        return SequenceConflict.slug
    known.steps.append(step)
    known.ended, known.again = end, index is not None or not end
    return known.number()

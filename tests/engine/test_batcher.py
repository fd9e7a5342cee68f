from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batching.batcher import Batcher
from service.contract.golden import Tensors
from service.errors import BadQuestion, DeadlineExceeded, InferenceFailed, QueueFull, ShuttingDown
from tests.fakes import FakeBackend


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    fake = FakeBackend()
    yield fake
    fake.gate.set()


def batcher_of(backend: FakeBackend, *, max_batch_rows: int = 8, max_queue_rows: int = 100) -> Batcher:
    return Batcher(backend.run, max_batch_rows=max_batch_rows, max_queue_rows=max_queue_rows, name="tiny")


def x(*values: float) -> Tensors:
    return {"x": np.array(values, np.float32)[:, None]}


def rows(outputs: Tensors) -> list[float]:
    found: list[float] = outputs["y"][:, 0].tolist()
    return found


def asked(batcher: Batcher, scenario: Callable[[], Awaitable[object]]) -> object:
    """What the scenario returns; the batcher is closed after it."""

    async def whole() -> object:
        return await scenario()

    try:
        return asyncio.run(whole())
    finally:
        batcher.close(20)


async def busy(batcher: Batcher, backend: FakeBackend) -> asyncio.Task[Tensors]:
    """A request that keeps the worker busy until the gate is opened."""
    backend.gate.clear()
    backend.started.clear()
    task = asyncio.create_task(batcher.submit(x(0), timeout_s=20))
    await until(backend.started.is_set)
    return task


async def queued(batcher: Batcher, rows_: int) -> None:
    await until(lambda: batcher.queued_rows == rows_)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is awaited happens on another thread
        await asyncio.sleep(0.001)


def test_one_request_gets_its_answer(backend: FakeBackend):
    batcher = batcher_of(backend)

    assert rows(asked(batcher, lambda: batcher.submit(x(1, 2), timeout_s=20))) == [2, 4]
    assert backend.runs == [2]


def test_what_gathers_while_the_worker_is_busy_is_one_batch(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=4)

    async def scenario() -> list[Tensors]:
        first = await busy(batcher, backend)
        others = [asyncio.create_task(batcher.submit(x(value), timeout_s=20)) for value in range(6)]
        await queued(batcher, 6)
        backend.gate.set()
        return [await first, *[await other for other in others]]

    assert [rows(answer) for answer in asked(batcher, scenario)] == [[0], [0], [2], [4], [6], [8], [10]]
    assert backend.runs == [1, 4, 2]


@given(st.lists(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=12), min_size=1, max_size=12), st.integers(1, 10))
def test_batched_equals_single(questions: list[list[float]], max_batch_rows: int):
    backend = FakeBackend()
    batcher = batcher_of(backend, max_batch_rows=max_batch_rows, max_queue_rows=1000)

    async def scenario() -> list[Tensors]:
        first = await busy(batcher, backend)
        others = [asyncio.create_task(batcher.submit(x(*question), timeout_s=20)) for question in questions]
        await queued(batcher, sum(map(len, questions)))
        backend.gate.set()
        await first
        return [await other for other in others]

    answers = asked(batcher, scenario)

    assert [rows(answer) for answer in answers] == [[value * 2 for value in question] for question in questions]
    assert max(backend.runs) <= max_batch_rows


@pytest.mark.parametrize("instances", [1, 3])
def test_thousands_of_interleaved_requests_get_their_own_answers(instances: int):
    def run(inputs: Tensors) -> Tensors:
        return {"sums": inputs["a"].sum(axis=1, keepdims=True), "first": inputs["a"][:, :1]}

    batcher = Batcher(run, max_batch_rows=32, max_queue_rows=10_000, name="tiny", instances=instances)

    async def ask(number: int) -> bool:
        await asyncio.sleep(0.0001 * (number % 7))
        own = np.full((1 + number % 3, 1 + number % 4), number, np.float64)  # rows and widths differ
        answer = await batcher.submit({"a": own}, timeout_s=60)
        return bool(
            (answer["first"] == number).all() and (answer["sums"] == own.shape[1] * number).all() and len(answer["sums"]) == len(own)
        )

    async def scenario() -> list[bool]:
        return list(await asyncio.gather(*(ask(number) for number in range(3000))))

    assert asked(batcher, scenario) == [True] * 3000
    statistics = batcher.meter.statistics()
    assert statistics.success.count == 3000
    assert statistics.inference_count == 6000
    assert max(batch.batch_size for batch in statistics.batch_stats) <= 32
    assert statistics.execution_count < 3000


def test_requests_of_other_shapes_types_or_names_are_not_stacked(backend: FakeBackend):
    shapes: list[tuple[int, ...]] = []

    def run(inputs: Tensors) -> Tensors:
        shapes.append(inputs["x"].shape)
        return backend.run(inputs)

    batcher = Batcher(run, max_batch_rows=8, max_queue_rows=100, name="tiny")

    async def scenario() -> list[Tensors]:
        first = await busy(batcher, backend)
        questions = [x(1), {"x": np.ones((1, 2), np.float32)}, {"x": np.ones((1, 1), np.float64)}, {**x(1), "z": np.ones(1)}, x(2)]
        others = [asyncio.create_task(batcher.submit(question, timeout_s=20)) for question in questions]
        await queued(batcher, 5)
        backend.gate.set()
        return [await first, *[await other for other in others]]

    answers = asked(batcher, scenario)

    assert [answer["y"].shape for answer in answers] == [(1, 1), (1, 1), (1, 2), (1, 1), (1, 1), (1, 1)]
    assert shapes == [(1, 1), (2, 1), (1, 2), (1, 1), (1, 1)]


def test_kinds_take_turns_so_that_none_waits_for_ever(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=2)
    order: list[int] = []

    async def ask(width: int) -> None:
        await batcher.submit({"x": np.ones((1, width), np.float32)}, timeout_s=20)
        order.append(width)

    async def scenario() -> None:
        first = await busy(batcher, backend)
        others = [asyncio.create_task(ask(width)) for width in (1, 1, 1, 1, 2)]
        await queued(batcher, 5)
        backend.gate.set()
        await asyncio.gather(first, *others)

    asked(batcher, scenario)

    assert order == [1, 1, 2, 1, 1]


def test_a_request_larger_than_a_batch_is_run_in_pieces(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=4)

    assert rows(asked(batcher, lambda: batcher.submit(x(*range(10)), timeout_s=20))) == [2.0 * value for value in range(10)]
    assert backend.runs == [4, 4, 2]


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(backend: FakeBackend):
    batcher = batcher_of(backend, max_queue_rows=5)

    async def scenario() -> QueueFull:
        first = await busy(batcher, backend)
        waiting = asyncio.create_task(batcher.submit(x(1, 2, 3), timeout_s=20))
        await queued(batcher, 3)
        with pytest.raises(QueueFull) as refusal:
            await batcher.submit(x(4, 5, 6), timeout_s=20)
        fitting = asyncio.create_task(batcher.submit(x(4, 5), timeout_s=20))
        await queued(batcher, 5)
        backend.gate.set()
        await asyncio.gather(first, waiting, fitting)
        return refusal.value

    refusal = asked(batcher, scenario)

    assert isinstance(refusal, QueueFull)
    assert refusal.detail == "3 rows wait for 'tiny' and 5 may: send this again after 1 s"
    assert refusal.headers == {"Retry-After": "1"}


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=4, max_queue_rows=2)

    assert len(rows(asked(batcher, lambda: batcher.submit(x(*range(9)), timeout_s=20)))) == 9


def test_a_request_that_waits_too_long_is_told_so_and_never_run(backend: FakeBackend):
    batcher = batcher_of(backend)

    async def scenario() -> str:
        first = await busy(batcher, backend)
        with pytest.raises(DeadlineExceeded) as late:
            await batcher.submit(x(1), timeout_s=0.01)
        assert batcher.queued_rows == 0
        backend.gate.set()
        await first
        return late.value.detail

    assert asked(batcher, scenario) == "'tiny' did not answer within 0.01 s: send less at once, send it later, or raise the timeout"
    assert backend.runs == [1]


def test_a_request_that_runs_too_long_is_told_so(backend: FakeBackend):
    batcher = batcher_of(backend)
    backend.gate.clear()

    async def scenario() -> None:
        with pytest.raises(DeadlineExceeded):
            await batcher.submit(x(1), timeout_s=0.01)
        backend.gate.set()

    asked(batcher, scenario)


def test_late_work_is_dropped_even_while_the_event_loop_is_too_busy_to_say_so(backend: FakeBackend):
    batcher = batcher_of(backend)

    async def scenario() -> None:
        first = await busy(batcher, backend)
        late = asyncio.create_task(batcher.submit(x(1), timeout_s=0.01))
        await queued(batcher, 1)
        threading.Event().wait(0.02)  # the loop does nothing else meanwhile
        backend.gate.set()
        while batcher.queued_rows:
            pass
        with pytest.raises(DeadlineExceeded):
            await late
        await first

    asked(batcher, scenario)

    assert backend.runs == [1]


def test_work_whose_caller_left_is_dropped(backend: FakeBackend):
    batcher = batcher_of(backend)

    async def scenario() -> list[float]:
        first = await busy(batcher, backend)
        left = asyncio.create_task(batcher.submit(x(1, 2, 3), timeout_s=20))
        stays = asyncio.create_task(batcher.submit(x(4), timeout_s=20))
        await queued(batcher, 4)
        left.cancel()
        await queued(batcher, 1)
        backend.gate.set()
        await first
        return rows(await stays)

    assert asked(batcher, scenario) == [8]
    assert backend.runs == [1, 1]


def test_the_rest_of_a_large_request_is_not_run_when_its_caller_left(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=1)

    async def scenario() -> None:
        backend.gate.clear()
        large = asyncio.create_task(batcher.submit(x(1, 2, 3, 4), timeout_s=20))
        await until(backend.started.is_set)
        large.cancel()
        await asyncio.wait([large])
        backend.gate.set()

    asked(batcher, scenario)

    assert backend.runs == [1]


def test_a_poisonous_request_fails_alone(backend: FakeBackend, caplog: pytest.LogCaptureFixture):
    batcher = batcher_of(backend)

    async def scenario() -> list[object]:
        first = await busy(batcher, backend)
        others = [asyncio.create_task(batcher.submit(x(value), timeout_s=20)) for value in (1, -1, 3)]
        await queued(batcher, 3)
        backend.gate.set()
        await first
        return list(await asyncio.gather(*others, return_exceptions=True))

    good, poisoned, also_good = asked(batcher, scenario)

    assert rows(good) == [2]
    assert rows(also_good) == [6]
    assert isinstance(poisoned, InferenceFailed)
    assert poisoned.detail == "'tiny' failed on this request; the service's log says why"
    assert "ArithmeticError: poison" in caplog.text


def test_the_batcher_goes_on_after_a_failure(backend: FakeBackend):
    batcher = batcher_of(backend)

    async def scenario() -> list[float]:
        with pytest.raises(InferenceFailed):
            await batcher.submit(x(-1), timeout_s=20)
        return rows(await batcher.submit(x(5), timeout_s=20))

    assert asked(batcher, scenario) == [10]


def test_a_graph_whose_outputs_have_no_batch_fails_instead_of_mixing_answers():
    batcher = Batcher(lambda _inputs: {"y": np.zeros(3)}, max_batch_rows=8, max_queue_rows=8, name="tiny")

    async def scenario() -> None:
        with pytest.raises(InferenceFailed):
            await batcher.submit(x(1, 2), timeout_s=20)

    asked(batcher, scenario)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"a": np.ones((2, 1)), "b": np.ones((3, 1))}, r"not a \[2, 1\], b \[3, 1\]"),
        ({"a": np.ones(())}, r"not a \[\]"),
        ({"a": np.ones((0, 1))}, r"at least one, on its first axis, not a \[0, 1\]"),
        ({}, "not no inputs"),
    ],
)
def test_tensors_without_rows_or_with_different_numbers_of_them_are_refused(backend: FakeBackend, inputs: Tensors, said: str):
    batcher = batcher_of(backend)

    async def scenario() -> None:
        with pytest.raises(BadQuestion, match=said):
            await batcher.submit(inputs, timeout_s=20)

    asked(batcher, scenario)


def test_closing_finishes_what_waits_and_refuses_what_comes(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=1)

    async def scenario() -> list[list[float]]:
        first = await busy(batcher, backend)
        others = [asyncio.create_task(batcher.submit(x(value), timeout_s=20)) for value in (1, 2)]
        await queued(batcher, 2)
        closing = asyncio.create_task(asyncio.to_thread(batcher.close, 20))
        await until(lambda: batcher._closing)
        with pytest.raises(ShuttingDown, match="the service is stopping"):
            await batcher.submit(x(9), timeout_s=20)
        backend.gate.set()
        await closing
        return [rows(await task) for task in (first, *others)]

    assert asked(batcher, scenario) == [[0], [2], [4]]
    assert not any(worker.is_alive() for worker in batcher._workers)


def test_closing_gives_up_what_cannot_be_finished_in_time(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=1)

    async def scenario() -> None:
        first = await busy(batcher, backend)
        other = asyncio.create_task(batcher.submit(x(1), timeout_s=20))
        await queued(batcher, 1)
        await asyncio.to_thread(batcher.close, 0.01)
        backend.gate.set()
        assert rows(await first) == [0]
        with pytest.raises(ShuttingDown):
            await other

    asked(batcher, scenario)

    assert backend.runs == [1]


def test_closing_twice_does_no_harm(backend: FakeBackend):
    batcher = batcher_of(backend)

    batcher.close(20)
    batcher.close(20)

    assert not any(worker.is_alive() for worker in batcher._workers)


def test_requests_of_several_event_loops_are_served(backend: FakeBackend):
    batcher = batcher_of(backend)
    answers: list[list[float]] = []

    def ask(value: float) -> None:
        answers.append(rows(asyncio.run(batcher.submit(x(value), timeout_s=20))))

    backend.gate.clear()
    threads = [threading.Thread(target=ask, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    backend.gate.set()
    for thread in threads:
        thread.join(20)
    batcher.close(20)

    assert sorted(answers) == [[2], [4], [6]]


def test_an_answer_for_a_loop_that_is_gone_is_dropped(backend: FakeBackend):
    batcher = batcher_of(backend)

    async def leave() -> None:
        await busy(batcher, backend)

    asyncio.run(leave())
    backend.gate.set()

    assert rows(asked(batcher, lambda: batcher.submit(x(4), timeout_s=20))) == [8]


async def order_of(batcher: Batcher, backend: FakeBackend, priorities: list[int]) -> list[int]:
    """In which order requests of these priorities, which come in this order, are answered."""
    answered: list[int] = []

    async def ask(priority: int) -> None:
        await batcher.submit(x(priority), timeout_s=20, priority=priority)
        answered.append(priority)

    first = await busy(batcher, backend)
    others = [asyncio.create_task(ask(priority)) for priority in priorities]
    await queued(batcher, len(priorities))
    backend.gate.set()
    await asyncio.gather(first, *others)
    return answered


def test_priority_1_goes_first_none_is_the_middle_and_what_is_higher_is_the_last(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=1)

    assert asked(batcher, lambda: order_of(batcher, backend, [9, 3, 0, 2, 1])) == [1, 0, 2, 9, 3]


def test_room_in_a_batch_goes_to_lower_priorities(backend: FakeBackend):
    batcher = batcher_of(backend, max_batch_rows=2)

    assert asked(batcher, lambda: order_of(batcher, backend, [3, 3, 2, 1])) == [1, 2, 3, 3]
    assert backend.runs == [1, 2, 2]


def test_a_batch_that_is_not_full_waits_for_more_where_that_is_asked_for(backend: FakeBackend):
    batcher = Batcher(backend.run, max_batch_rows=3, max_queue_rows=100, name="tiny", max_queue_delay_ms=60_000)

    async def scenario() -> list[Tensors]:
        first = asyncio.create_task(batcher.submit(x(1), timeout_s=20))
        await queued(batcher, 1)
        return list(await asyncio.gather(first, batcher.submit(x(2, 3), timeout_s=20)))  # now it is full

    assert [rows(answer) for answer in asked(batcher, scenario)] == [[2], [4, 6]]
    assert backend.runs == [3]


def test_a_batch_that_never_gets_full_runs_after_the_delay(backend: FakeBackend):
    batcher = Batcher(backend.run, max_batch_rows=3, max_queue_rows=100, name="tiny", max_queue_delay_ms=1)

    assert rows(asked(batcher, lambda: batcher.submit(x(1), timeout_s=20))) == [2]


def test_closing_does_not_wait_for_the_delay(backend: FakeBackend):
    batcher = Batcher(backend.run, max_batch_rows=3, max_queue_rows=100, name="tiny", max_queue_delay_ms=60_000)

    async def scenario() -> list[float]:
        waiting = asyncio.create_task(batcher.submit(x(1), timeout_s=20))
        await queued(batcher, 1)
        await asyncio.to_thread(batcher.close, 20)
        return rows(await waiting)

    assert asked(batcher, scenario) == [2]


def test_instances_run_at_the_same_time():
    together = threading.Barrier(3)

    def run(inputs: Tensors) -> Tensors:
        together.wait(20)  # passes when three runs are here
        return {"y": inputs["x"]}

    batcher = Batcher(run, max_batch_rows=1, max_queue_rows=100, name="tiny", instances=3)

    async def scenario() -> list[Tensors]:
        return list(await asyncio.gather(*(batcher.submit(x(value), timeout_s=20) for value in (1, 2, 3))))

    assert [rows(answer) for answer in asked(batcher, scenario)] == [[1], [2], [3]]
    assert not any(worker.is_alive() for worker in batcher._workers)


def test_requests_without_an_answer_are_in_flight(backend: FakeBackend):
    batcher = batcher_of(backend)

    async def scenario() -> tuple[int, int]:
        first = await busy(batcher, backend)
        waiting = asyncio.create_task(batcher.submit(x(1, 2), timeout_s=20))
        await queued(batcher, 2)
        during = batcher.in_flight
        backend.gate.set()
        await asyncio.gather(first, waiting)
        return during, batcher.in_flight

    assert asked(batcher, scenario) == (2, 0)


def test_what_is_given_up_in_the_queue_is_counted_by_reason(backend: FakeBackend):
    batcher = batcher_of(backend)

    async def scenario() -> None:
        first = await busy(batcher, backend)
        left = asyncio.create_task(batcher.submit(x(1), timeout_s=20))
        await queued(batcher, 1)
        left.cancel()
        await asyncio.wait([left])
        with pytest.raises(DeadlineExceeded):
            await batcher.submit(x(2), timeout_s=0.001)
        backend.gate.set()
        await first

    asked(batcher, scenario)

    assert batcher.meter.dropped == {"deadline": 1, "cancelled": 1}
    assert batcher.meter.statistics().fail.count == 1
    assert batcher.meter.statistics().success.count == 1


def test_at_ten_times_its_capacity_it_refuses_at_once_and_what_it_takes_waits_no_longer_than_the_queue_is():
    """Time is counted in runs of the graph: at each one, ten times as many rows ask as a run takes."""
    capacity, queue, ticks = 4, 16, 50
    gate = threading.Semaphore(0)
    runs: list[list[float]] = []

    def run(inputs: Tensors) -> Tensors:
        gate.acquire()
        runs.append(inputs["x"][:, 0].tolist())
        return {"y": inputs["x"] * 2}

    batcher = Batcher(run, max_batch_rows=capacity, max_queue_rows=queue, name="tiny")
    begun: dict[float, int] = {}
    refused: list[QueueFull] = []

    async def ask(value: int) -> None:
        now = len(runs)
        try:
            answer = await batcher.submit(x(value), timeout_s=60)
        except QueueFull as refusal:
            assert len(runs) == now  # at once
            refused.append(refusal)
            return
        begun[value] = now
        assert rows(answer) == [2.0 * value]

    async def scenario() -> None:
        asking: list[asyncio.Task[None]] = []
        for tick in range(ticks):
            asking += [asyncio.create_task(ask(tick * 100 + number)) for number in range(10 * capacity)]
            await asyncio.sleep(0)
            gate.release()
            await until(lambda tick=tick: len(runs) > tick)
        gate.release(ticks)
        await asyncio.gather(*asking)

    asked(batcher, scenario)

    ran = {value: number for number, values in enumerate(runs) for value in values}
    assert len(begun) + len(refused) == ticks * 10 * capacity  # nothing is lost
    assert ran.keys() == begun.keys()  # and nothing is run that is not answered
    assert len(begun) >= ticks
    assert max(ran[value] - begun[value] for value in begun) <= queue / capacity + 1  # the run that it found, and those of the queue
    assert all(refusal.headers["Retry-After"] == "1" for refusal in refused)

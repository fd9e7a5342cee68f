from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from service.batching.batcher import Batcher
from service.batching.brevity import FORGETTING, MAX_KINDS, Brevity
from service.contract.golden import Tensors
from service.errors import QueueFull, ShuttingDown

LONG_MS = 60_000.0
"""A bound that no run of these tests reaches."""


class Graph:
    """Doubles x, and notes on which thread it ran for how many rows."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, int]] = []

    def run(self, inputs: Tensors, outputs: tuple[str, ...] = ()) -> Tensors:
        self.runs.append((threading.current_thread().name, len(inputs["x"])))
        answer = {"y": inputs["x"] * 2, "z": inputs["x"] * 3}
        return {name: answer[name] for name in outputs} if outputs else answer


def x(*values: float) -> Tensors:
    return {"x": np.array(values, np.float32)[:, None]}


def asked(batcher: Batcher, scenario: Callable[[], Awaitable[object]]) -> object:
    async def whole() -> object:
        return await scenario()

    try:
        return asyncio.run(whole())
    finally:
        batcher.close(20)


def inline_batcher(graph: Graph, *, max_batch_rows: int = 8, max_queue_rows: int = 100, max_inline_ms: float = LONG_MS) -> Batcher:
    return Batcher(graph.run, max_batch_rows=max_batch_rows, max_queue_rows=max_queue_rows, name="tiny", max_inline_ms=max_inline_ms)


def test_requests_of_turns_that_follow_one_another_are_one_batch():
    graph = Graph()
    batcher = inline_batcher(graph)

    async def in_a_while(turns: int) -> Tensors:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await batcher.submit(x(turns), timeout_s=20)

    async def scenario() -> list[Tensors]:
        await batcher.submit(x(9), timeout_s=20)
        return await asyncio.gather(*(in_a_while(turns) for turns in range(5)))

    answers = asked(batcher, scenario)

    assert [answer["y"].tolist() for answer in answers] == [[[2 * value]] for value in range(5)]
    assert graph.runs[1:] == [("MainThread", 5)]


def test_a_batch_that_is_full_waits_for_no_more():
    graph = Graph()
    batcher = inline_batcher(graph, max_batch_rows=2)

    async def scenario() -> list[Tensors]:
        await batcher.submit(x(9), timeout_s=20)
        return await asyncio.gather(*(batcher.submit(x(value), timeout_s=20) for value in range(6)))

    asked(batcher, scenario)

    assert graph.runs[1:] == [("MainThread", 2)] * 3


def test_brief_batches_run_on_the_loop_once_their_kind_is_known():
    graph = Graph()
    batcher = inline_batcher(graph)

    async def scenario() -> list[Tensors]:
        first = await batcher.submit(x(1), timeout_s=20)
        return [first, *await asyncio.gather(*(batcher.submit(x(value), timeout_s=20) for value in range(6)))]

    answers = asked(batcher, scenario)

    assert [answer["y"].tolist() for answer in answers] == [[[2]], *([[2 * value]] for value in range(6))]
    assert graph.runs == [("batcher-tiny-0", 1), ("MainThread", 6)]


def test_a_turn_of_the_loop_runs_one_batch_of_at_most_its_rows():
    graph = Graph()
    batcher = inline_batcher(graph, max_batch_rows=4)

    async def scenario() -> None:
        await batcher.submit(x(1), timeout_s=20)
        await asyncio.gather(*(batcher.submit(x(value), timeout_s=20) for value in range(9)))

    asked(batcher, scenario)

    assert [rows for thread, rows in graph.runs if thread == "MainThread"] == [4, 4, 1]


def test_batches_that_are_not_brief_run_on_threads():
    graph = Graph()
    batcher = inline_batcher(graph, max_inline_ms=0)

    async def scenario() -> None:
        await batcher.submit(x(1), timeout_s=20)
        await asyncio.gather(*(batcher.submit(x(value), timeout_s=20) for value in range(3)))

    asked(batcher, scenario)

    assert {thread for thread, _ in graph.runs} == {"batcher-tiny-0"}


def test_another_loop_is_served_by_threads_while_the_first_is_open():
    graph = Graph()
    batcher = inline_batcher(graph)

    async def scenario() -> Tensors:
        await batcher.submit(x(1), timeout_s=20)
        await batcher.submit(x(1), timeout_s=20)
        return await asyncio.to_thread(asyncio.run, batcher.submit(x(5), timeout_s=20))

    answer = asked(batcher, scenario)

    assert answer["y"].tolist() == [[10]]
    assert [thread for thread, _ in graph.runs] == ["batcher-tiny-0", "MainThread", "batcher-tiny-0"]


def test_a_loop_that_follows_a_closed_one_is_served():
    graph = Graph()
    batcher = inline_batcher(graph)

    for _ in range(3):
        assert asyncio.run(batcher.submit(x(2), timeout_s=20))["y"].tolist() == [[4]]
    batcher.close(20)

    assert [thread for thread, _ in graph.runs] == ["batcher-tiny-0", "MainThread", "MainThread"]


def test_the_queue_is_bounded_on_the_loop_too():
    graph = Graph()
    batcher = inline_batcher(graph, max_queue_rows=3)

    async def scenario() -> list[object]:
        await batcher.submit(x(1), timeout_s=20)
        return list(await asyncio.gather(*(batcher.submit(x(value), timeout_s=20) for value in range(5)), return_exceptions=True))

    answers = asked(batcher, scenario)

    assert [isinstance(answer, QueueFull) for answer in answers] == [False, False, False, True, True]
    assert batcher.queued_rows == 0


def test_work_whose_caller_left_before_its_turn_is_not_run():
    graph = Graph()
    batcher = inline_batcher(graph, max_batch_rows=1)

    async def scenario() -> list[object]:
        await batcher.submit(x(1), timeout_s=20)
        tasks = [asyncio.create_task(batcher.submit(x(value), timeout_s=20)) for value in (6, 7, 8)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    answers = asked(batcher, scenario)

    assert [type(answer).__name__ for answer in answers] == ["dict", "dict", "CancelledError"]
    assert graph.runs[1:] == [("MainThread", 1), ("MainThread", 1)]
    assert batcher.meter.dropped["cancelled"] == 1


def test_a_graph_that_fails_on_the_loop_fails_one_request():
    def run(inputs: Tensors) -> Tensors:
        if (inputs["x"] < 0).any():
            raise ArithmeticError("poison")
        return {"y": inputs["x"]}

    batcher = Batcher(run, max_batch_rows=8, max_queue_rows=100, name="tiny", max_inline_ms=LONG_MS)

    async def scenario() -> list[object]:
        await batcher.submit(x(1), timeout_s=20)
        return list(await asyncio.gather(*(batcher.submit(x(value), timeout_s=20) for value in (3, -1, 4)), return_exceptions=True))

    answers = asked(batcher, scenario)

    assert [type(answer).__name__ for answer in answers] == ["dict", "InferenceFailed", "dict"]


def test_closing_waits_for_what_has_its_turn_on_the_loop():
    graph = Graph()
    batcher = inline_batcher(graph)

    async def scenario() -> list[object]:
        await batcher.submit(x(1), timeout_s=20)
        waiting = [asyncio.create_task(batcher.submit(x(value), timeout_s=20)) for value in (1, 2)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(batcher.close, 20))
        answers = await asyncio.gather(*waiting)
        await closing
        with pytest.raises(ShuttingDown):
            await batcher.submit(x(1), timeout_s=20)
        return [answer["y"].tolist() for answer in answers]

    assert asked(batcher, scenario) == [[[2]], [[4]]]


def test_requests_for_other_outputs_are_not_stacked():
    graph = Graph()
    batcher = inline_batcher(graph)

    async def scenario() -> list[Tensors]:
        wanted: list[tuple[str, ...]] = [(), ("z",), ("z",), ("y",)]
        return list(await asyncio.gather(*(batcher.submit(x(1), timeout_s=20, outputs=names) for names in wanted)))

    assert [sorted(answer) for answer in asked(batcher, scenario)] == [["y", "z"], ["z"], ["z"], ["y"]]


def test_a_kind_that_has_not_run_is_not_taken_to_be_brief():
    assert Brevity(1_000_000).rows("kind") == 0


def test_as_many_rows_are_brief_as_fit_into_the_limit():
    brevity = Brevity(1_000_000)

    brevity.learn("kind", 4, 400_000)

    assert brevity.rows("kind") == 10


def test_one_slow_run_changes_little_and_many_change_all():
    brevity = Brevity(1_000_000)
    brevity.learn("kind", 1, 100_000)

    brevity.learn("kind", 1, 1_100_000)
    once = brevity.rows("kind")
    for _ in range(200):
        brevity.learn("kind", 1, 1_100_000)

    assert once == int(1_000_000 / (100_000 + FORGETTING * 1_000_000))
    assert brevity.rows("kind") == 0


def test_kinds_are_bounded():
    brevity = Brevity(1_000_000)

    for kind in range(MAX_KINDS + 1):
        brevity.learn(kind, 1, 1000)

    assert brevity.rows(0) == 0
    assert brevity.rows(MAX_KINDS) == 1000

"""The soak in short; `make soak` runs it for ten minutes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.process import Server, running

from .questions import Question, any_question, binary, generic, next_word, stream, tensors, typed
from .report import summary, verdicts
from .soak import FLAGS, Outcome, Plan, Sample, drawing, prepare, soak
from .tally import Tally
from .wire import Answer, ask_once

SHORT = Plan(seconds=5.0, warm_up_s=1.5, memory_ratio=1.5, memory_mb=20.0, pool_threads=16, change_every_s=0.1, idle_s=1.0)


def test_a_server_under_mixed_load_with_faults_injected_keeps_what_it_must(tmp_path: Path):
    prepare(tmp_path)
    with running(tmp_path, *FLAGS) as server:
        outcome = asyncio.run(soak(server, tmp_path, SHORT, progress=lambda _line: None))
        server.process.terminate()
        found = verdicts(outcome, server.log(), server.process.wait(60))

    assert [(what, value) for what, value, kept in found if not kept] == [], summary(outcome, found)
    assert set(outcome.tally.answered) >= {"typed", ":predict", "tensors", "binary", "generate_stream", "next-word"}
    assert outcome.tally.done["left within a request"] > 0
    assert outcome.tally.done["bursts"] > 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("soaked")
    prepare(root)
    with running(root) as server:
        yield server


@pytest.mark.parametrize("kind", [typed, generic, tensors, binary, stream, next_word])
def test_an_answer_to_another_request_or_by_another_version_is_seen(server: Server, kind: Callable[[random.Random, int], Question]):
    draw = drawing(0, "two")
    one, two = kind(draw, 2), kind(draw, 2)
    first, second = (asyncio.run(ask_once(server.host, question.request)) for question in (one, two))

    assert (one.wrong(first), two.wrong(second)) == ("", "")
    assert one.wrong(second)
    assert two.wrong(first)
    assert one.wrong(replace(first, headers={**first.headers, "x-model-version": "1"}))


def question(wrong: str = "") -> Question:
    return replace(any_question(drawing(0, "any")), wrong=lambda _answer: wrong)


@pytest.mark.parametrize(
    ("status", "headers", "wrong", "fault"),
    [
        (200, {}, "", None),
        (429, {"retry-after": "1"}, "", None),
        (504, {}, "", None),
        (429, {}, "", "refused without Retry-After"),
        (500, {}, "", "status 500"),
        (503, {}, "", "status 503"),
        (404, {}, "", "status 404"),
        (200, {}, "another's", "crossed"),
    ],
)
def test_answers_are_judged_by_the_contract(status: int, headers: dict[str, str], wrong: str, fault: str | None):
    tally = Tally()
    tally.judge(question(wrong), Answer(status, headers, b""))

    assert list(tally.faults) == ([] if fault is None else [fault])


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"faults": {"lost": 1}}, ["no lost answer"]),
        ({"faults": {"crossed": 1}}, ["no crossed answer"]),
        ({"faults": {"stale": 1}}, ["no stale answer after a load"]),
        ({"faults": {"held": 1}}, ["nothing held of versions and requests that are gone"]),
        ({"faults": {"status 500": 1}}, ["no 500, no status outside of the contract"]),
        ({"last_mb": 106}, ["memory of the last quarter at most 105.0 MB"]),
        ({"threads": 15}, ["threads back to the start, give or take 4 of pools"]),
        ({"descriptors": 21}, ["open files back to the start"]),
        ({"log": "Traceback (most recent call last):"}, ["no traceback in the log"]),
        ({"exit_code": 1}, ["the server stops with 0"]),
    ],
)
def test_a_soak_fails_for_each_thing_that_it_must_have_kept(change: dict[str, object], broken: list[str]):
    given = {"faults": {}, "last_mb": 100, "threads": 10, "descriptors": 20, "log": "", "exit_code": 0, **change}
    tally = Tally()
    tally.faults.update(given["faults"])
    memory = [100, 100, 100, given["last_mb"]]
    samples = [Sample(at_s, memory[at_s], 0, 0) for at_s in range(4)]
    before, after = Sample(0, 100, 10, 20), Sample(0, 100, given["threads"], given["descriptors"])
    outcome = Outcome(Plan(seconds=4, warm_up_s=0), tally, samples, before, after)

    found = verdicts(outcome, given["log"], given["exit_code"])

    assert [what for what, _, kept in found if not kept] == broken

"""Rounds of load: every server at every task and number of connections, one after another, again and again.

All are started before the first. Those that are busy while idle rest while it is not their turn, and no others: Triton does not survive it.
Every second round goes the other way round, so that what drifts on the machine drifts for all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.figures import CONNECTIONS
from benchmarks.serving.load import Measured, measure
from benchmarks.serving.questions import TASKS, Questions, Task, same
from benchmarks.serving.running import Answers, RefusedError, Running, awake, resting, started, wait_until_it_answers
from benchmarks.serving.servers import Server, Way

WARM_UP_S = 1


@dataclass(frozen=True, slots=True)
class Rounds:
    """So many rounds of so many seconds a measurement, before which a round of one second warms up and does not count.

    `loads`: way's name, task, connections -> a measurement a round. `dropped`: the server that failed on the way, and how.
    """

    rounds: int
    seconds: int
    cores: str | None
    folder: Path
    loads: dict[tuple[str, Task, int], list[Measured]] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)

    def run(self, servers: Sequence[Server], models: Path, questions: Questions, right: Answers, *, restless: Collection[str]) -> None:
        """Measure; fills `loads` and `dropped`. `restless` are keys of servers that are busy while idle."""
        with ExitStack() as stack:
            running = []
            for server in servers:
                one = stack.enter_context(started(server, models, self.cores, self.folder / f"{server.key}.log"))
                try:
                    wait_until_it_answers(one, questions)
                except RefusedError as error:
                    self.dropped[server.key] = str(error)
                if server.key in restless:
                    stack.enter_context(resting(one))
                running.append(one)
            for number in range(-1, self.rounds):
                print(f"round {number + 1} of {self.rounds}", file=sys.stderr, flush=True)
                for one, way, task, connections in _turns(running, backwards=bool(number % 2)):
                    if one.server.key not in self.dropped:
                        self._measure(
                            one, way, task, connections, questions, right, restless=one.server.key in restless, warm_up=number < 0
                        )

    def _measure(
        self, one: Running, way: Way, task: Task, connections: int, questions: Questions, right: Answers, *, restless: bool, warm_up: bool
    ) -> None:
        try:
            with awake(one) if restless else nullcontext():
                if not same(one.ask(questions, way, task), right[task]):  # which also wakes what sleeps in it
                    raise RefusedError(f"{way.name} has begun to answer {task} wrongly")
                measured = measure(
                    one.url + way.paths[task],
                    questions.ask(task, way.wire),
                    connections=connections,
                    seconds=WARM_UP_S if warm_up else self.seconds,
                    script=self.folder / "load.lua",
                    pinned=other_cores(self.cores),
                )
        except (RefusedError, OSError, ValueError, subprocess.CalledProcessError) as error:
            self.dropped[one.server.key] = f"{task} at {connections} connections: {error}"
            print(f"{one.server.key} is dropped: {error}", file=sys.stderr)
        else:
            if not warm_up:
                self.loads.setdefault((way.name, task, connections), []).append(measured)


def other_cores(cores: str | None) -> tuple[str, ...]:
    """Where servers are pinned to `cores`, as taskset writes them, what puts a command on the others."""
    if cores is None:
        return ()
    taken = {number for part in cores.split(",") for number in _range(part)}
    others = sorted(os.sched_getaffinity(0) - taken)
    return ("taskset", "-c", ",".join(map(str, others))) if others else ()


def _turns(running: Sequence[Running], *, backwards: bool) -> Iterator[tuple[Running, Way, Task, int]]:
    turns = [(one, way) for one in running for way in one.server.ways]
    for connections in CONNECTIONS:
        for task in TASKS:
            for one, way in turns[::-1] if backwards else turns:
                yield one, way, task, connections


def _range(part: str) -> range:
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)

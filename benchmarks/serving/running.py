"""A server that runs: started, asked until it answers, rested while others are measured, stopped."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.serving import environments, processes
from benchmarks.serving.questions import TASKS, Array, Questions, Task, same
from benchmarks.serving.servers import Server, Way

START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 10.0

Answers = dict[Task, Array]
"""The right ones: the floor's."""


class RefusedError(RuntimeError):
    """A server that does not start, does not answer, or answers wrongly, and why."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    server: Server
    url: str
    process: subprocess.Popen[bytes]

    def family(self) -> list[int]:
        """Its processes."""
        return processes.family(self.process.pid)

    def ask(self, questions: Questions, way: Way, task: Task) -> Array:
        """The numbers that it answers.

        Raises:
            OSError, ValueError: it does not answer, or not so.
        """
        question = questions.ask(task, way.wire)
        request = Request(self.url + way.paths[task], question.body, dict(question.headers))  # noqa: S310 - an address of this machine
        with urlopen(request, timeout=ANSWER_TIMEOUT_S) as response:  # noqa: S310 - as above
            return questions.read(response.read(), response.headers)

    def check(self, questions: Questions, right: Answers | None) -> None:
        """Ask everything in every way; raises RefusedError where an answer differs from the right one, where that is known."""
        for way in self.server.ways:
            for task in TASKS:
                try:
                    answer = self.ask(questions, way, task)
                except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                    raise RefusedError(f"{way.name} does not answer {task}: {_said(error)}") from error
                if right and not same(answer, right[task]):
                    raise RefusedError(f"{way.name} answers {task} wrongly: {answer[:3]}, not {right[task][:3]}")


@contextmanager
def started(server: Server, models: Path, cores: str | None, log: Path) -> Iterator[Running]:
    """Start a server, on these cores where any are named; what it prints goes to `log`. It is ended behind.

    Raises:
        NotInstalledError: its environment could not be made.
    """
    python = environments.python(server.environment)
    port = free_port()
    pin = ("taskset", "-c", cores) if cores else ()
    command = [part.format(python=python, port=port, models=models) for part in (*pin, *server.command)]
    variables = {"BENCH_MODELS": str(models), "OMP_NUM_THREADS": "1", "PATH": f"{python.parent}:{os.environ['PATH']}", **server.variables}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environments.VARIABLES | variables, cwd=environments.PROJECT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield Running(server, f"http://127.0.0.1:{port}", process)
    finally:
        processes.end(process)


def wait_until_it_answers(running: Running, questions: Questions) -> None:
    """Return once it has answered a question to each of its models.

    Raises:
        RefusedError: it has ended, or has not answered in time.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    left: list[Task] = list(TASKS)
    said = ""
    while left:
        if running.process.poll() is not None:
            raise RefusedError(f"it has ended with code {running.process.returncode}")
        if time.monotonic() > deadline:
            raise RefusedError(f"no answer within {START_TIMEOUT_S:.0f} s: {said}")
        try:
            running.ask(questions, running.server.ways[0], left[0])
            left.pop(0)
        except (OSError, ValueError, http.client.HTTPException) as error:
            said = _said(error)
            time.sleep(0.02)


@contextmanager
def resting(running: Running) -> Iterator[None]:
    """Inside, nothing of it runs unless it is woken: an idle server must not take what another is measured on."""
    processes.rest(running.family())
    try:
        yield
    finally:
        processes.wake(running.family())


@contextmanager
def awake(running: Running) -> Iterator[None]:
    """Inside, a resting server runs."""
    processes.wake(running.family())
    try:
        yield
    finally:
        processes.rest(running.family())


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _said(error: Exception) -> str:
    return f"{error} {error.read().decode(errors='replace')[:300]}" if isinstance(error, HTTPError) else str(error)[:300]

"""A server alone: how long it takes to be ready, what it takes of the machine, idle and after load."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from benchmarks.serving import environments, processes
from benchmarks.serving.figures import Start
from benchmarks.serving.load import measure
from benchmarks.serving.questions import TASKS, Questions
from benchmarks.serving.running import START_TIMEOUT_S, Answers, RefusedError, Running, started, wait_until_it_answers
from benchmarks.serving.servers import SERVERS, Server

SETTLE_S, IDLE_S = 2.0, 3.0
LOAD_CONNECTIONS, LOAD_S = 64, 1
IMPORTS = "import onnxruntime, fastapi"


def start_alone(
    server: Server, models: Path, questions: Questions, *, times: int, cores: str | None, folder: Path, right: Answers | None
) -> Start:
    """Start it so many times, after once that fills caches; in that first one its answers are checked and it is measured.

    Raises:
        NotInstalledError, RefusedError: it is not to be measured, and why.
    """
    log = folder / f"{server.key}.log"
    with started(server, models, cores, log) as running:
        wait_until_it_answers(running, questions)
        running.check(questions, right)
        idle_cpu = _idle_cpu(running)
        _load(running, questions, folder / "load.lua")
        family = running.family()
        memory_mb = processes.memory_mb(family)
    ready = [_ready_s(server, models, lambda running: wait_until_it_answers(running, questions), cores, log) for _ in range(times)]
    return Start(statistics.median(ready), memory_mb, len(family), idle_cpu, environments.installed_mb(server.environment))


def imports_s(times: int) -> float:
    """Median time that Python takes to import what the service cannot do without, and to end."""
    command = [str(environments.python(environments.CAROUSEL)), "-c", IMPORTS]
    found = []
    for _ in range(times + 1):  # the first fills caches
        began = time.monotonic()
        subprocess.run(command, env=environments.VARIABLES, check=True)
        found.append(time.monotonic() - began)
    return statistics.median(found[1:])


def bundled_ready_s(times: int, folder: Path) -> float:
    """Median time until Carousel is ready with the models that it comes with."""
    carousel = next(server for server in SERVERS if server.key == "carousel")
    models, log = environments.PROJECT / "models", folder / "bundled.log"
    return statistics.median([_ready_s(carousel, models, _wait_until_ready, None, log) for _ in range(times + 1)][1:])


def _ready_s(server: Server, models: Path, wait: Callable[[Running], None], cores: str | None, log: Path) -> float:
    began = time.monotonic()
    with started(server, models, cores, log) as running:
        wait(running)
        return time.monotonic() - began


def _wait_until_ready(running: Running) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{running.url}/v2/health/ready", timeout=1):  # noqa: S310 - an address of this machine
                return
        except OSError:
            time.sleep(0.02)
    raise RefusedError("it is not ready")


def _idle_cpu(running: Running) -> float:
    time.sleep(SETTLE_S)
    before = processes.cpu_s(running.family())
    time.sleep(IDLE_S)
    return (processes.cpu_s(running.family()) - before) / IDLE_S


def _load(running: Running, questions: Questions, script: Path) -> None:
    for way in running.server.ways:
        for task in TASKS:
            measure(
                running.url + way.paths[task], questions.ask(task, way.wire), connections=LOAD_CONNECTIONS, seconds=LOAD_S, script=script
            )

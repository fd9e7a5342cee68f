"""Requests a second, latency and memory of Carousel beside the floor, on the same models, payloads and load, interleaved.

    python -m benchmarks.serving [--rounds 5] [--seconds 5] [--cores 0]

Needs wrk. `--cores` pins every server to these cores (wrk runs where it likes); without it all share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.results import table, write_section
from benchmarks.serving.load import Measured, measure
from benchmarks.serving.models import CONTEXT, COVARIATES, publish_models, word

CONNECTIONS = (1, 16, 64)
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load: how it is started on {port} with the artifacts of {models}, where it is ready, what it is asked."""

    name: str
    command: tuple[str, ...]
    ready: str
    forecast: str
    next_word: str
    takes_text: bool


SERVERS = (
    Server(
        "floor: bare ASGI, orjson, onnxruntime",
        (sys.executable, "-m", "uvicorn", "benchmarks.serving.floor:app", "--port", "{port}", "--log-level", "error", "--no-access-log"),
        "/ready",
        "/forecast",
        "/next-word",
        takes_text=False,
    ),
    Server(
        "Carousel",
        (sys.executable, "-m", "service", "serve", "--models", "{models}", "--port", "{port}"),
        "/v2/health/ready",
        "/v1/models/bench-forecast/forecast",
        "/v1/models/bench-next-word/next-word",
        takes_text=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    server: Server
    url: str
    pid: int
    ready_s: float


def main() -> None:
    """Measure and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description="Measure the service beside the floor.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--cores", default=None, help="cores that servers are pinned to, for example 0")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: install it, for example with `apt-get install wrk`")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        publish_models(models, Path(folder))
        with _started(SERVERS, models, options.cores) as running:
            measured = _rounds(running, options.rounds, options.seconds, Path(folder, "load.lua"))
            rows = [_row(one, task, measured) for task in ("forecast", "next-word") for one in running]
    pinned = f" --cores {options.cores}" if options.cores else ""
    heading = "Serving, pinned to one core" if options.cores else "Serving"
    columns = (
        "model",
        "server",
        *(f"req/s at {count}" for count in CONNECTIONS),
        "p50 ms at 1",
        "p99 ms at 16",
        "p99 ms at 64",
        "errors",
        "MB",
        "ready s",
    )
    note = f"Medians of {options.rounds} interleaved rounds of {options.seconds} s; req/s with the ratio to the floor in brackets."
    write_section(heading, command=f"python -m benchmarks.serving{pinned}", body=f"{note}\n\n{table(columns, rows)}")


@contextmanager
def _started(servers: tuple[Server, ...], models: Path, cores: str | None) -> Iterator[list[Running]]:
    processes: list[subprocess.Popen[bytes]] = []
    running = []
    try:
        for server in servers:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            pin = ("taskset", "-c", cores) if cores else ()
            command = [part.format(port=port, models=models) for part in (*pin, *server.command)]
            began = time.monotonic()
            environment = os.environ | {"BENCH_MODELS": str(models), "OMP_NUM_THREADS": "1"}
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
            url = f"http://127.0.0.1:{port}"
            _wait(url + server.ready, processes[-1])
            running.append(Running(server, url, processes[-1].pid, time.monotonic() - began))
        yield running
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=1):  # noqa: S310 - an address of this machine
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{url} did not answer")


def _rounds(running: list[Running], rounds: int, seconds: int, script: Path) -> dict[tuple[str, str, int], list[Measured]]:
    found: dict[tuple[str, str, int], list[Measured]] = {}
    for one in running:
        for task in ("forecast", "next-word"):
            _check(one, task)
    for number in range(-1, rounds):  # the first warms up and does not count
        for connections in CONNECTIONS:
            for task in ("forecast", "next-word"):
                for one in running:
                    path, body = _question(one.server, task)
                    result = measure(one.url + path, body, connections=connections, seconds=seconds if number >= 0 else 1, script=script)
                    if number >= 0:
                        found.setdefault((one.server.name, task, connections), []).append(result)
    return found


def _check(one: Running, task: str) -> None:
    """Raises RuntimeError unless the server answers the question that it will be asked."""
    path, body = _question(one.server, task)
    request = Request(one.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 - an address of this machine
    try:
        urlopen(request, timeout=10).close()  # noqa: S310 - as above
    except HTTPError as error:
        raise RuntimeError(f"{one.server.name} does not answer {task}: {error.read().decode()}") from error


def _question(server: Server, task: str) -> tuple[str, object]:
    if task == "forecast":
        numbers = np.random.default_rng(1).normal(100, 10, (1 + len(COVARIATES), CONTEXT)).round(3)
        past = dict(zip(COVARIATES, numbers[1:].tolist(), strict=True))
        return server.forecast, {"series": [{"values": numbers[0].tolist(), "past": past}]}
    if server.takes_text:
        return server.next_word, {"text": " ".join(word(number) for number in range(15)) + " "}  # END and 15 words: 16 tokens
    return server.next_word, {"tokens": list(range(2, 18))}


def _row(one: Running, task: str, measured: dict[tuple[str, str, int], list[Measured]]) -> tuple[str, ...]:
    def median(field: str, connections: int, name: str = one.server.name) -> float:
        return float(statistics.median(getattr(result, field) for result in measured[name, task, connections]))

    floor = SERVERS[0].name
    rates = [
        f"{median('requests_s', count):,.0f} ({median('requests_s', count) / median('requests_s', count, floor):.2f})"
        for count in CONNECTIONS
    ]
    errors = sum(
        result.errors for (name, asked, _), results in measured.items() for result in results if (name, asked) == (one.server.name, task)
    )
    latency = [f"{median('p50_ms', 1):.2f}", f"{median('p99_ms', 16):.1f}", f"{median('p99_ms', 64):.1f}"]
    return (task, one.server.name, *rates, *latency, str(errors), f"{_memory_mb(one.pid):.0f}", f"{one.ready_s:.2f}")


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()

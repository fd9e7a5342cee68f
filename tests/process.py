"""`carousel serve` as a process of its own: where it answers, and what it takes of the machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
RESET_PEAK = "5"
"""What /proc/<pid>/clear_refs takes to begin a new VmHWM."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request got."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; with several workers, what it takes is the sum over them."""

    process: subprocess.Popen[bytes]
    address: str
    _log: IO[bytes]

    @property
    def host(self) -> tuple[str, int]:
        """What a socket connects to."""
        host, port = self.address.removeprefix("http://").split(":")
        return host, int(port)

    def log(self) -> str:
        """What it has written to its standard error."""
        return _read(self._log)

    def ask(self, path: str, body: object = None) -> Answer:
        """Post JSON on a connection of its own; get where there is no body. Quicker than a client that makes ready for TLS each time."""
        connection = HTTPConnection(*self.host, timeout=20)
        try:
            connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def workers(self) -> list[int]:
        """Numbers of the processes that answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        workers = [int(child) for child in children if b"spawn_main" in _command(child)]
        return workers or [self.process.pid]

    def memory_mb(self) -> float:
        """Resident memory now."""
        return sum(_status(worker, "VmRSS") for worker in self.workers()) / 1024

    def peak_mb(self) -> float:
        """Most resident memory since the start, or since `forget_peak`."""
        return sum(_status(worker, "VmHWM") for worker in self.workers()) / 1024

    def forget_peak(self) -> None:
        """Begin a new peak."""
        for worker in self.workers():
            Path(f"/proc/{worker}/clear_refs").write_text(RESET_PEAK)

    def threads(self) -> int:
        """Threads now."""
        return sum(_status(worker, "Threads") for worker in self.workers())

    def descriptors(self) -> int:
        """Open files and sockets now."""
        return sum(len(list(Path(f"/proc/{worker}/fd").iterdir())) for worker in self.workers())


@contextmanager
def running(models: Path, *flags: str, program: Sequence[str] = ("-m", "service"), limits: str = "") -> Iterator[Server]:
    """A server of this model folder; it is told to stop at the end, and killed with its workers where it does not.

    `program` is what Python runs; `limits` are commands of a shell before it, as `ulimit -S -n 1024`.
    """
    log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below, when the server has ended
    command = [sys.executable, *program, "serve", "--models", str(models), "--port", "0", *flags]
    process = subprocess.Popen(
        ["sh", "-c", f'{limits}\nexec "$@"', "sh", *command],
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        found = re.search(r"answers on (http://[\d.]+:\d+);", line)
        assert found is not None, f"the server did not start: {_read(log)}"
        yield Server(process, found[1], log)
    finally:
        _end(process)
        log.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells nobody."""
    while not condition():
        time.sleep(0.02)


@contextmanager
def paused(process: int) -> Iterator[None]:
    """Inside, this process does nothing."""
    os.kill(process, signal.SIGSTOP)
    try:
        while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            pass
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def _read(log: IO[bytes]) -> str:
    return os.pread(log.fileno(), 100_000_000, 0).decode()  # its own place in the file, which the server writes at


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):  # all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)


def _status(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _command(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""

"""Ten thousand callers who hold a connection and say nothing, or next to nothing."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.bundled import publish_all
from tests.process import Server, running, until

from .wire import NEXT_WORD, reset, start

CALLERS = 10_000
SPARE = 500
"""What this process and the server have open besides."""
MOST_KB_EACH = 16
HEAD = start(NEXT_WORD, "Content-Length: 100")
SAID = (b"", HEAD[:20], HEAD + b'{"text": ')
"""Nothing; a part of a head; a part of a body."""


PATIENT = """
import sys
from service.api.bounded_http import BoundedHttp
from service.__main__ import main
BoundedHttp.head_timeout_s = 120  # so that none is closed while others are still being opened
sys.exit(main())
"""


@pytest.fixture
def _many_files() -> Iterator[None]:
    """As many files and sockets as this test needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = CALLERS + SPARE
    if hard != resource.RLIM_INFINITY and hard < enough:
        pytest.skip(f"the system leaves a process {hard} open files, and {enough} are needed: raise the hard limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that was started with the limit of 1024 that shells give, and may raise it."""
    publish_all(tmp_path)
    with running(tmp_path, program=("-c", PATIENT), limits="ulimit -S -n 1024") as server:
        yield server


@pytest.mark.usefixtures("_many_files")
def test_ten_thousand_idle_connections_cost_little_memory_and_hinder_nobody(server: Server):
    server.ask(NEXT_WORD, {"text": "the dog o"})
    descriptors, memory_mb = server.descriptors(), server.memory_mb()
    with ExitStack() as stack:
        for number in range(CALLERS):
            connection = socket.create_connection(server.host, timeout=20)
            stack.callback(reset, connection)
            connection.sendall(SAID[number % len(SAID)])
        until(lambda: server.descriptors() >= CALLERS)
        answers = [server.ask(NEXT_WORD, {"text": "the dog o"}).status for _ in range(20)]
        cost_kb = (server.memory_mb() - memory_mb) * 1024 / CALLERS

    assert answers == [200] * 20
    assert cost_kb < MOST_KB_EACH
    until(lambda: server.descriptors() <= descriptors)
    assert server.ask(NEXT_WORD, {"text": "the dog o"}).status == 200


def test_a_server_that_may_open_no_more_answers_again_when_callers_leave(tmp_path: Path):
    publish_all(tmp_path)
    with running(tmp_path, limits="ulimit -n 100") as server:
        with ExitStack() as stack:
            for _ in range(200):
                connection = socket.create_connection(server.host, timeout=20)
                stack.callback(reset, connection)
        until(lambda: server.descriptors() < 50)

        assert server.ask(NEXT_WORD, {"text": "the dog o"}).status == 200
        assert "Traceback" not in server.log()

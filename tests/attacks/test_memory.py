"""What an attacker could make a server hold in its memory, measured on a server in a process of its own."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from tests.process import Server

from .wire import LIVE, NEXT_WORD, connected, pushed, question, start

INFER = "/v2/models/digit-rows/infer"
AT_ONCE = 8
"""Attackers; each may cost the largest body a few times over, 1 MB here."""
MOST_MB = 64
"""What all of them may cost together."""

DEEP = 100_000
ROUTES = (
    NEXT_WORD,
    "/v1/models/energy-load/forecast",
    "/v1/models/energy-load/anomalies",
    "/v1/models/digit-rows/classify",
    "/v1/models/energy-load:predict",
    INFER,
    "/v2/models/next-word-en/generate",
    "/v2/models/next-word-en/generate_stream",
    "/v2/repository/index",
    "/v2/repository/models/digit-rows/load",
)


@pytest.fixture(autouse=True)
def _costs_little_and_answers_afterwards(server: Server) -> Iterator[None]:
    server.ask(NEXT_WORD, {"text": "the dog o"})  # what the first request brings into memory is not counted
    server.forget_peak()
    before = server.memory_mb()
    yield
    assert server.peak_mb() - before < MOST_MB
    assert server.ask(NEXT_WORD, {"text": "the dog o"}).status == 200
    assert "Traceback" not in server.log()


def posted(server: Server, route: str, body: bytes, **headers: str) -> int:
    connection = HTTPConnection(*server.host, timeout=20)
    try:
        connection.request("POST", route, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse().status
    finally:
        connection.close()


def bomb(window: int, megabytes: int) -> bytes:
    """Zeros, a thousand times smaller."""
    deflating = zlib.compressobj(9, zlib.DEFLATED, window)
    zeros = b"\0" * 1_000_000
    return b"".join(deflating.compress(zeros) for _ in range(megabytes)) + deflating.flush()


@pytest.mark.parametrize(("coding", "window"), [("gzip", 31), ("deflate", 15)])
def test_bombs_are_inflated_to_the_limit_and_no_further(server: Server, coding: str, window: int):
    packed = bomb(window, 60)  # half a gigabyte from all of them
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: posted(server, INFER, packed, Content_Encoding=coding), range(AT_ONCE)))

    assert answers == [413] * AT_ONCE


def test_a_bomb_of_many_streams_is_not_opened_beyond_the_first(server: Server):
    packed = gzip.compress(b"\0" * 900_000) * 500

    assert posted(server, INFER, packed, Content_Encoding="gzip") == 400


def test_bodies_without_an_end_are_cut_off(server: Server):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    def attack(_number: int) -> int:
        with connected(server.address) as connection:
            connection.sendall(start(NEXT_WORD, "Transfer-Encoding: chunked"))
            return pushed(connection, chunk, most=100_000_000)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert max(pool.map(attack, range(AT_ONCE))) < 20_000_000


@pytest.mark.parametrize("route", ["/none", "/v2/health/live", "/metrics"])
def test_bodies_that_nobody_reads_are_not_kept(server: Server, route: str):
    with connected(server.address) as connection:
        connection.sendall(start(route, "Content-Length: 1000000000"))
        assert pushed(connection, b" " * 65_536, most=500_000_000) < 500_000_000


@pytest.mark.parametrize(("route", "status"), [("/none", 404), ("/v2/health/live", 405)])
def test_a_caller_who_sends_a_long_body_that_nobody_reads_gets_the_answer(server: Server, route: str, status: int):
    assert posted(server, route, b" " * 30_000_000) == status


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}"), ('{"inputs":[', "]}"), ('{"instances":[', "]}")])
def test_json_nested_a_hundred_thousand_deep_is_refused(server: Server, route: str, brackets: tuple[str, str]):
    opening, closing = brackets
    depth = min(DEEP, 999_000 // len(opening + closing))

    assert posted(server, route, (opening * depth + closing * depth).encode()) == 400


def test_hundreds_of_thousands_of_mistakes_are_not_listed(server: Server):
    body = b'{"series":[' + b"{}," * 300_000 + b"{}]}"

    assert posted(server, "/v1/models/energy-load/forecast", body) == 422


def test_requests_that_come_before_they_can_be_answered_are_not_kept_without_bound(server: Server):
    """A caller who asks on and on and waits for no answer; 250,000 requests would take a gigabyte."""
    with connected(server.address) as connection:
        connection.setblocking(True)
        sent = pushed(connection, LIVE * 500, most=len(LIVE) * 250_000)

    assert sent < len(LIVE) * 250_000


def test_some_requests_at_once_on_one_connection_are_answered_in_turn(server: Server):
    with connected(server.address) as connection:
        connection.sendall(question() * 30)
        said = b""
        while said.count(b"HTTP/1.1 200 OK") < 30:
            said += connection.recv(65_536)


def test_answers_that_nobody_reads_cost_no_more_than_the_requests_that_may_wait(server: Server):
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            connection = stack.enter_context(connected(server.address))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n" * 64)
        assert server.ask("/v2/health/live").status == 200

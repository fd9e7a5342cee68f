"""Connections that mean harm: smuggled requests, slow ones, idle ones by the thousand. Others are answered meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from service.api import bounded_http
from tests.api.conftest import serving

from .conftest import Impatient
from .wire import LIVE, NEXT_WORD, QUESTION, connected, everything, pushed, question, start, status

SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: test\r\n\r\n"
MANY = 300
MEGABYTE = b"a" * 1_000_000


@pytest.mark.parametrize(
    "headers",
    [
        # two lengths, or a length and chunks
        ("Content-Length: 5", "Content-Length: 44"),
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 5, 5",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        # lengths that others may read otherwise
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5 5",),
        ("Content-Length: -1",),
        ("Content-Length: 99999999999999999999999",),
        ("Content-Length : 5",),
        (" Content-Length: 5",),
        # codings that others may not know, or not as the last
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: identity",),
        ('Transfer-Encoding: "chunked"',),
        ("Transfer-Encoding: chunked;q=1",),
        ("Transfer-Encoding:\x0bchunked",),
        ("Transfer-Encoding : chunked",),
        # lines that others may take for one or for two
        ("Content-Length:\r\n 5",),
        ("Transfer-Encoding:\r\n chunked",),
        ("X-Folded: a\r\n\tb", "Content-Length: 5"),
        ("X-Bare: a\nContent-Length: 0", "Content-Length: 5"),
        ("X-Bare: a\rContent-Length: 0", "Content-Length: 5"),
        ("X-Broken\x00: 1", "Content-Length: 5"),
        ("X-Broken: \x00", "Content-Length: 5"),
        # a body that another protocol would begin with
        ("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 43"),
        ("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 43"),
        ("Connection: Upgrade", "Upgrade: h2c", "Transfer-Encoding: chunked"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_request_within_a_request_is_not_answered(address: str, headers: tuple[str, ...], at_once: bool):
    with connected(address) as connection:
        head, body = start(NEXT_WORD, *headers), b"0\r\n\r\n" + SMUGGLED
        connection.sendall(head + body if at_once else head)
        if not at_once:
            time.sleep(0.02)  # so that the body comes alone
            connection.sendall(body)
        said, closed = everything(connection)

    assert b'"models"' not in said
    assert b"HTTP/1.1 200" not in said
    assert closed


@pytest.mark.parametrize(
    "body",
    [
        b"5\n12345\n0\n\n",
        b"5;a=\n12345\r\n0\r\n\r\n",
        b"0x5\r\n12345\r\n0\r\n\r\n",
        b"-5\r\n12345\r\n0\r\n\r\n",
        b"4\r\n12345\r\n0\r\n\r\n",
        b"5\r\n12345X\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n12345",
        b" 5\r\n12345\r\n0\r\n\r\n",
    ],
)
def test_chunks_that_others_may_read_otherwise_end_the_connection(address: str, body: bytes):
    with connected(address) as connection:
        connection.sendall(start(NEXT_WORD, "Transfer-Encoding: chunked") + body + SMUGGLED)
        said, closed = everything(connection)

    assert b'"models"' not in said
    assert closed


def test_a_request_to_change_the_protocol_is_answered_in_this_one(address: str):
    with connected(address) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + SMUGGLED)
        said, closed = everything(connection)

    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in said
    assert b'"models"' not in said
    assert closed


@pytest.mark.parametrize(
    "line",
    [b"GET /v2 HTTP/1.1\nHost: test\n\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x00\xa5" + b"\0" * 200, bytes(range(256))],
)
def test_what_is_no_http_ends_the_connection(address: str, line: bytes):
    with connected(address) as connection:
        connection.sendall(line)
        said, closed = everything(connection)

    assert said.startswith(b"HTTP/1.1 400")
    assert closed


@pytest.mark.parametrize("asked", [LIVE, question()])
def test_more_requests_at_once_than_may_wait_end_the_connection(address: str, asked: bytes):
    with connected(address) as connection:
        connection.sendall(asked * 1000)
        _, closed = everything(connection)

    assert closed


def test_requests_behind_one_that_is_no_request_leave_no_trace_in_the_log(
    address: str, client: httpx.Client, caplog: pytest.LogCaptureFixture
):
    for _ in range(10):
        with connected(address) as connection:
            connection.sendall(question() * 3 + b"NONSENSE\r\n\r\n")
            _, closed = everything(connection)
            assert closed
        with connected(address) as connection:
            connection.sendall(question() * 3)  # and hangs up
    assert client.post(NEXT_WORD, content=QUESTION).status_code == 200

    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_body_that_follows_a_request_in_one_piece_with_the_next_head_is_not_taken_for_a_head(address: str):
    body = b'{"txt": "' + b"a" * 60_000 + b'"}'
    with connected(address) as connection:
        connection.sendall(question(body=body) + question(body=body) + LIVE[:10])  # over 64 kB until the last head is whole
        time.sleep(0.1)
        connection.sendall(LIVE[10:])
        said = b""
        while said.count(b"HTTP/1.1 ") < 3 and (part := connection.recv(65_536)):
            said += part

    assert said.count(b"HTTP/1.1 422") == 2
    assert said.endswith(b'{"live":true,"ready":true}')


def test_a_header_without_an_end_is_cut_off(address: str):
    with connected(address) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nX-Long: " + b"a" * 70_000)

        assert status(connection) == 431


def test_many_small_headers_without_an_end_are_cut_off(address: str):
    with connected(address) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\n" + b"X: y\r\n" * 11_000)

        assert status(connection) == 431


def test_a_head_that_never_ends_is_given_up(address: str):
    with connected(address) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: test\r\n")

        assert status(connection) == 408
        assert connection.recv(100) == b""


def test_a_second_head_that_never_ends_is_given_up_too(address: str):
    with connected(address) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: test\r\n\r\n")
        first = status(connection)
        connection.sendall(b"GET /v2 HTTP/1.1\r\n")

        assert (first, status(connection)) == (200, 408)


def test_a_connection_that_asks_nothing_is_closed(address: str):
    with connected(address) as connection:
        assert connection.recv(100) == b""


def test_hundreds_of_idle_connections_hinder_nobody(address: str, client: httpx.Client):
    with ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(connected(address))

        assert client.post(NEXT_WORD, content=QUESTION).status_code == 200


def test_hundreds_of_requests_that_never_end_hinder_nobody(address: str, client: httpx.Client):
    with ExitStack() as stack:
        for number in range(MANY):
            connection = stack.enter_context(connected(address))
            started = start(NEXT_WORD, "Content-Length: 21")
            connection.sendall(started[:-2] if number % 2 else started + QUESTION[:3])

        assert client.post(NEXT_WORD, content=QUESTION).status_code == 200


def test_a_body_that_goes_on_after_the_answer_is_given_up(address: str):
    with connected(address) as connection:
        connection.sendall(start("/none", "Content-Length: 1000000"))
        answered = status(connection)
        connection.settimeout(0.1)
        sent = 0
        try:
            while sent < 200:  # for 20 seconds
                connection.sendall(b"a")
                sent += 1
                try:
                    if connection.recv(100) == b"":
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass  # reset

    assert answered == 404
    assert sent < 200


def test_a_body_that_goes_on_too_long_after_the_answer_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bounded_http, "MAX_UNREAD_BYTES", 1_000_000)
    with connected(address) as connection:
        connection.sendall(start("/none", "Content-Length: 1000000000"))
        assert status(connection) == 404

        assert pushed(connection, b" " * 65_536, most=100_000_000) < 100_000_000


@pytest.fixture
def large_answers() -> Iterator[str]:
    """A server whose every answer is 16 MB."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for moment in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{moment}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(16):
            await send({"type": "http.response.body", "body": MEGABYTE, "more_body": True})
        await send({"type": "http.response.body"})

    with serving(app, http=Impatient) as address:
        yield address


@pytest.mark.parametrize("nonsense", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000])
def test_no_refusal_is_written_into_the_middle_of_an_answer(large_answers: str, nonsense: bytes):
    with connected(large_answers) as connection:
        connection.sendall(LIVE)
        said = connection.recv(65_536)
        connection.sendall(nonsense)
        rest, closed = everything(connection)

    assert closed
    assert (said + rest).count(b"HTTP/1.1 ") == 1


def test_a_caller_who_reads_nothing_of_an_answer_is_given_up(large_answers: str):
    with connected(large_answers) as connection:
        connection.sendall(LIVE)
        time.sleep(3 * Impatient.write_timeout_s)
        said, closed = everything(connection)

    assert closed
    assert len(said) < 16_000_000


def test_a_caller_who_reads_slowly_gets_the_whole_answer(large_answers: str):
    with connected(large_answers) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
        connection.sendall(LIVE)
        read = 0
        while read < 16_000_000:
            part = connection.recv(1_000_000)
            assert part, f"cut off after {read} bytes"
            read += len(part)
            time.sleep(len(part) / 12_000_000)  # longer than a caller who reads nothing is given


def test_a_body_that_comes_a_byte_at_a_time_is_given_up(address: str):
    with connected(address) as connection:
        connection.sendall(start(NEXT_WORD, "Content-Length: 21") + QUESTION[:3])

        assert status(connection) == 400


def test_callers_who_leave_in_the_middle_of_everything_hinder_nobody(address: str, client: httpx.Client):
    whole = start(NEXT_WORD, f"Content-Length: {len(QUESTION)}") + QUESTION
    for end in range(0, len(whole) + 1, 5):
        with connected(address) as connection:
            connection.sendall(whole[:end])

    assert client.post(NEXT_WORD, content=QUESTION).status_code == 200

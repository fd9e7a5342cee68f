"""Connections that mean harm: smuggled requests, slow ones, idle ones by the hundred. Others are answered meanwhile."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest

from .wire import connected, start, status

NEXT_WORD = "/v1/models/next-word-en/next-word"
QUESTION = b'{"text": "the dog o"}'
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: test\r\n\r\n"
MANY = 300


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Content-Length: 44"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, identity",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: 99999999999999999999999",),
        ("Content-Length : 5",),
        ("X-Broken\x00: 1", "Content-Length: 5"),
    ],
)
def test_a_request_within_a_request_is_not_answered(address: str, headers: tuple[str, ...]):
    with connected(address) as connection:
        connection.sendall(start(NEXT_WORD, *headers) + b"0\r\n\r\n" + SMUGGLED)
        connection.settimeout(2)
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except OSError:
            pass  # nothing more, or reset

    assert b'"models"' not in answer
    assert b"HTTP/1.1 200" not in answer


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

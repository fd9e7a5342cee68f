"""Answers to requests that came whole, byte by byte as they go out."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from starlette.types import Message

from service.api.whole_request import WholeRequest

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"2")]


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


class Cycle:
    """As uvicorn's."""

    def __init__(self, *, keep_alive: bool = True, write_paused: bool = False, disconnected: bool = False) -> None:
        self.body = bytearray(b"{}")
        self.keep_alive = keep_alive
        self.flow = SimpleNamespace(write_paused=write_paused)
        self.disconnected = disconnected
        self.default_headers = [(b"date", b"today")]
        self.transport = Transport()
        self.message_event = asyncio.Event()
        self.response_started = self.response_complete = False
        self.responses = 0

    def on_response(self) -> None:
        self.responses += 1

    async def send(self, message: Message) -> None:
        raise AssertionError(message)


def whole(cycle: Cycle) -> WholeRequest:
    return WholeRequest(cast("RequestResponseCycle", cycle))


def test_an_answer_is_one_write():
    cycle = Cycle()

    assert whole(cycle).answer(cycle.send, 200, HEADERS, b"{}")

    assert cycle.transport.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"]
    assert (cycle.response_started, cycle.response_complete, cycle.responses, cycle.transport.closed) == (True, True, 1, False)


def test_a_connection_that_is_not_kept_is_closed_behind_its_answer():
    cycle = Cycle(keep_alive=False)

    assert whole(cycle).answer(cycle.send, 200, HEADERS, b"{}")

    assert cycle.transport.written[0].endswith(b"\r\nconnection: close\r\n\r\n{}")
    assert cycle.transport.closed


def test_a_caller_who_left_is_answered_nothing():
    cycle = Cycle(disconnected=True)

    assert whole(cycle).answer(cycle.send, 200, HEADERS, b"{}")

    assert cycle.transport.written == []


def test_a_caller_who_is_slow_to_read_is_answered_in_another_way():
    cycle = Cycle(write_paused=True)

    assert not whole(cycle).answer(cycle.send, 200, HEADERS, b"{}")

    assert cycle.transport.written == []


def test_what_watches_the_answer_is_not_passed_by():
    cycle = Cycle()

    async def watching(message: Message) -> None:
        await cycle.send(message)

    assert not whole(cycle).answer(watching, 200, HEADERS, b"{}")

    assert cycle.transport.written == []

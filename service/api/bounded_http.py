"""uvicorn's HTTP protocol with bounds: on what comes before a body, on requests that wait for one another, on answers that nobody reads.

Left alone, the parser keeps a head until it is whole, however long it grows and however slowly it comes; it keeps any number of requests
that come before they can be answered; and the body of a request that asks for another protocol it takes for the next request. Bodies are
bounded where they are read.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api.whole_request import WHOLE, WholeRequest

MAX_HEAD_BYTES = 65_536
MAX_PIPELINED = 64
"""Requests of one connection that wait until another is answered."""
MAX_UNREAD_BYTES = 64_000_000
"""Of a body that goes on after its answer: read and thrown away, so that a caller who sends first and reads then gets the answer."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
UPGRADE_WITH_BODY = "A request with a body cannot ask for an upgrade here: send it as HTTP/1.1, without the header Upgrade."


class TooManyPipelined(Exception):  # noqa: N818 - the name says what happened, as in service.errors
    """More requests came than wait for one another here; the parser stops at it, and the connection is closed."""


class BoundedHttp(HttpToolsProtocol):
    """Answers 431 to a head that is too long and 408 to one that is too slow; closes a connection on which nothing is ever asked.

    It is closed, too, where a caller takes nothing of an answer for `write_timeout_s` seconds, and where one who has been answered goes on
    sending the body for longer than a head may take, or sends too much of it. What comes at once, as nearly all does, starts no timer.
    """

    head_timeout_s: ClassVar[float] = 10.0
    write_timeout_s: ClassVar[float] = 30.0
    _head_bytes = 0
    _in_head = False
    _unread_bytes = 0
    _counted = 0  # bytes that a head gets from what has just come, where it is not whole then
    _timer: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None
    _whole: WholeRequest | None = None  # what is being answered, where it came whole
    _feeding = False
    _begun: tuple[RequestResponseCycle, ASGI3Application] | None = None  # starts once what has just come is read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        self._stop_watching()
        self._forsake()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; count what belongs to a head that is not whole yet."""
        within_body = not self._in_head and self._answering is not None and self.cycle.more_body
        self._counted = 0 if within_body else len(data)
        if within_body and self.cycle.response_complete:
            self._unread_bytes += len(data)
            if self._unread_bytes > MAX_UNREAD_BYTES:
                self._refuse(b"")
                return
        self._feeding = True
        super().data_received(data)
        self._feeding = False
        if self._begun is not None:
            self._start(*self._begun)
        if not self._in_head:
            return
        self._head_bytes += self._counted
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(TOO_LARGE)
        elif self._timer is None:
            self._wait()

    def on_message_begin(self) -> None:
        """A head begins."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise TooManyPipelined
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole; of another one behind it, what has come with this one is not counted."""
        self._in_head = False
        self._counted = self._unread_bytes = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """An answer is sent; of its request, the rest may still be on its way."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and self._timer is None:
            self._wait()

    def pause_writing(self) -> None:
        """The caller does not read as fast as is written: begin to watch."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The caller has read."""
        self._stop_watching()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and whatever waits on the same connection."""
        if self._in_answer():
            self.transport.close()
        else:
            super().send_400_response(msg)
        self._forsake()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        self._whole = None
        if self._feeding:
            self._begun = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _start(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._begun = None
        if not cycle.more_body:
            self._whole = WholeRequest(cycle)
            cycle.scope[WHOLE] = self._whole  # type: ignore[literal-required]  # the scope of ASGI may hold more
        super()._start_asgi_task(cycle, app)

    def _unsupported_upgrade_warning(self) -> None:
        """Called behind a head that asks for another protocol, where the parser has stopped: what follows is a body, and no request."""
        if any(name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in self.headers):
            self.send_400_response(UPGRADE_WITH_BODY)
        else:
            self.cycle.keep_alive = False

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.head_timeout_s, self._late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._refuse(TOO_SLOW if self._in_head else b"")

    def _watch(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._writing = asyncio.get_running_loop().call_later(self.write_timeout_s, self._unread, unread)

    def _stop_watching(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _unread(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._watch()  # slowly, but the caller reads
        else:
            self.transport.abort()

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(b"" if self._in_answer() else answer)
            self.transport.close()
        self._forsake()

    def _in_answer(self) -> bool:
        """Whether something is being answered, so that nothing else may be written."""
        return self._answering is not None and self._answering.response_started and not self._answering.response_complete

    def _forsake(self) -> None:
        """Tell what is being answered, and what waits, that the caller is gone: what they write would find the connection closed."""
        self.pipeline.clear()
        for cycle in (self._answering, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        if self._whole is not None:
            self._whole.hang_up()

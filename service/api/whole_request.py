"""A request that came whole, as nearly all do: its body is there, and neither waiting for it nor answering needs ASGI's messages.

`BoundedHttp` puts it into the scope under `WHOLE`. Under any other server there is none, and everything goes ASGI's way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

WHOLE = "carousel.whole_request"
"""Key of a scope."""


class WholeRequest:
    """The body, whether the caller is still there, and the way back."""

    __slots__ = ("_cycle", "body", "on_hang_up")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.body = bytes(cycle.body)
        self.on_hang_up: Callable[[], None] | None = None

    @property
    def gone(self) -> bool:
        """Whether the caller has hung up."""
        return self._cycle.disconnected

    def hang_up(self) -> None:
        """The caller is gone."""
        if self.on_hang_up is not None:
            self.on_hang_up()

    def answer(self, send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Write the whole answer at once; False, and nothing done, where something watches what is sent, or the caller is slow to read.

        `headers` are the service's own, the length of `body` among them: they are not checked again.
        """
        cycle = self._cycle
        if getattr(send, "__self__", None) is not cycle or cycle.flow.write_paused:
            return False
        if cycle.disconnected:
            return True
        parts = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(b"".join(parts))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

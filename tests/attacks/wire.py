"""Raw connections, for what no client library would send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NEXT_WORD = "/v1/models/next-word-en/next-word"
QUESTION = b'{"text": "the dog o"}'
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: test\r\n\r\n"


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """A connection to the server."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        yield connection


def status(connection: socket.socket) -> int:
    """Status of the next answer."""
    return int(connection.recv(65_536).split(b" ", 2)[1])


def start(route: str, *headers: str) -> bytes:
    """The start of a POST request."""
    return "\r\n".join((f"POST {route} HTTP/1.1", "Host: test", *headers, "", "")).encode()


def question(route: str = NEXT_WORD, body: bytes = QUESTION) -> bytes:
    """A whole request that is answered."""
    return start(route, f"Content-Length: {len(body)}") + body


def everything(connection: socket.socket, *, silence_s: float = 2) -> tuple[bytes, bool]:
    """All that the server says until it says nothing for so long, and whether it has closed the connection."""
    connection.settimeout(silence_s)
    said = b""
    try:
        while part := connection.recv(65_536):
            said += part
    except TimeoutError:
        return said, False
    except OSError:
        pass  # reset
    return said, True


def pushed(connection: socket.socket, part: bytes, *, most: int) -> int:
    """Bytes that the server lets a caller send who repeats `part`, up to `most`."""
    sent = 0
    with suppress(OSError):  # it has hung up
        while sent < most:
            connection.sendall(part)
            sent += len(part)
    return sent


def reset(connection: socket.socket) -> None:
    """Hang up without a farewell, so that nothing of the connection stays on this machine."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

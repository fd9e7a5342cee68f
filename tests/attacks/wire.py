"""Raw connections, for what no client library would send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


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

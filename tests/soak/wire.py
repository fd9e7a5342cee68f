"""HTTP as callers speak it who may stop in the middle of a word."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 60.0
"""For an answer that must come: longer than the service lets anybody wait."""


class Lost(Exception):  # noqa: N818 - the name says what happened
    """No answer came where one had to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Caller:
    """A connection that is opened again where it was closed."""

    def __init__(self, host: tuple[str, int]) -> None:
        self._host = host
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request, and wait for its answer.

        Raises:
            Lost: there is none.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await self.opened()
                writer.write(request)
                await writer.drain()
                answer = await read_answer(reader)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error}") from error
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    async def opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Both ends of the connection."""
        if self._reader is None or self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(*self._host, limit=2**24)
        return self._reader, self._writer

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    def reset(self) -> None:
        """Close it without a farewell."""
        if self._writer is not None:
            own: socket.socket = self._writer.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


async def ask_once(host: tuple[str, int], request: bytes) -> Answer:
    """An answer on a connection of its own, which is closed then."""
    caller = Caller(host)
    try:
        return await caller.ask(request)
    finally:
        caller.close()
        await asyncio.sleep(0)  # in which it is closed


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """One answer, whole."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(lines[0].split(" ", 2)[1]), headers, body)


def post(path: str, body: bytes, **headers: object) -> bytes:
    """A request; underscores in names of headers stand for dashes."""
    fields = {"Host": "soak", "Content-Length": len(body), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def get(path: str) -> bytes:
    """A request."""
    return f"GET {path} HTTP/1.1\r\nHost: soak\r\n\r\n".encode()

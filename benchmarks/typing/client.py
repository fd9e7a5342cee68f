"""Those who type: one by one for latencies, many at once for throughput. Connections are kept; each question follows an answer."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import numpy as np

from benchmarks.typing.model import NAME, some_words

FLOOR = b"GET /v2/health/live HTTP/1.1\r\nHost: bench\r\n\r\n"
"""The smallest question that the service answers, without a model."""
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


def question(text: str) -> bytes:
    """A request for the words behind a text."""
    body = json.dumps({"text": text}).encode()
    return b"POST /v1/models/%s/next-word HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s" % (NAME.encode(), len(body), body)


class Connection:
    """One caller, who waits for each answer."""

    def __init__(self, url: str) -> None:
        """Connect to the server of this address."""
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, request: bytes) -> float:
        """Seconds until the last byte of the answer.

        Raises:
            RuntimeError: it is no answer with status 200.
        """
        begun = time.perf_counter()
        self._socket.sendall(request)
        answer = b""
        while (end := answer.find(_END)) < 0:
            answer += self._received()
        left = _length(answer[:end]) - (len(answer) - end - len(_END))
        while left > 0:
            left -= len(self._received())
        return time.perf_counter() - begun

    def _received(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise RuntimeError("the server has hung up")
        return part


def keys_per_second(url: str, *, typists: int, words: int, seconds: float, seed: int) -> float:
    """Keys that so many typists at once get answered in a second, each typing on behind a text of so many words of their own."""
    return asyncio.run(_keys_per_second(url, typists, words, seconds, seed))


async def _keys_per_second(url: str, typists: int, words: int, seconds: float, seed: int) -> float:
    address = urlsplit(url)
    barrier = asyncio.Barrier(typists)
    counts = await asyncio.gather(
        *(
            _type(address.hostname, address.port, words, seconds, np.random.default_rng((seed, number)), barrier)
            for number in range(typists)
        )
    )
    return sum(counts) / seconds


async def _type(
    host: str | None, port: int | None, words: int, seconds: float, generator: np.random.Generator, barrier: asyncio.Barrier
) -> int:
    """Keys that one typist has got answered."""
    reader, writer = await asyncio.open_connection(host, port)
    text, keys, count = some_words(words, generator), "", 0
    await _ask(reader, writer, text)
    await barrier.wait()  # all have their texts read
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        keys = keys or some_words(1, generator)
        text, keys = text + keys[0], keys[1:]
        await _ask(reader, writer, text)
        count += 1
    writer.close()
    return count


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(question(text))
    await reader.readexactly(_length(await reader.readuntil(_END)))


def _length(head: bytes) -> int:
    """Bytes of the body behind an answer's head."""
    found = _LENGTH.search(head)
    if found is None or not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not an answer: {head[:200]!r}")
    return int(found[1])

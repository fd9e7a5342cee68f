"""Compressed bodies, both ways: `gzip` and `deflate` (RFC 9110), bounded by what they become and not by what was sent."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from typing import Literal

from service.errors import BodyTooLarge, MalformedBody

Coding = Literal["gzip", "deflate"]

MIN_COMPRESSED_BYTES = 1000
"""Smaller answers are sent as they are: compressing them costs more than it saves."""
LONG_BYTES = 65_536
"""From this size on another thread compresses, so that other requests go on."""
LEVEL = 1
_WINDOW: dict[Coding, int] = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


async def decompressed(data: bytes, coding: bytes, *, limit: int) -> bytes:
    """The body behind a `Content-Encoding`, in memory of at most `limit` bytes.

    Raises:
        BodyTooLarge: it is more than that.
        MalformedBody: another coding, or bytes that are not of this one.
    """
    match coding.lower():
        case b"" | b"identity":
            return data
        case b"gzip" | b"x-gzip":
            return await asyncio.to_thread(_inflated, data, "gzip", limit)
        case b"deflate":
            return await asyncio.to_thread(_inflated, data, "deflate", limit)
        case _:
            raise MalformedBody(f"content encoding {coding[:40].decode('latin-1')!r} is not read here: send gzip, deflate or none")


async def compressed(data: bytes, coding: Coding) -> bytes:
    """The same bytes in this coding."""
    return await asyncio.to_thread(_deflated, data, coding) if len(data) >= LONG_BYTES else _deflated(data, coding)


def accepted_coding(headers: Iterable[tuple[bytes, bytes]]) -> Coding | None:
    """The coding to answer with, of those that the caller's `Accept-Encoding` names; none where it asks for none."""
    for name, value in headers:
        if name == b"accept-encoding":
            offered = dict(_weighed(part) for part in value.lower().split(b","))
            codings: tuple[Coding, ...] = ("gzip", "deflate")
            return next((coding for coding in codings if offered.get(coding.encode())), None)
    return None


def _weighed(part: bytes) -> tuple[bytes, bool]:
    """A coding, and whether its weight is over 0."""
    coding, _, weight = part.replace(b" ", b"").partition(b";q=")
    return coding, weight.strip(b"0.") != b"" if weight else True


def _inflated(data: bytes, coding: Coding, limit: int) -> bytes:
    inflating = zlib.decompressobj(_WINDOW[coding])
    try:
        inflated = inflating.decompress(data, limit + 1)
    except zlib.error as error:
        raise MalformedBody(f"the body is not {coding}, as its Content-Encoding says") from error
    if len(inflated) > limit:
        raise BodyTooLarge(limit)
    if not inflating.eof or inflating.unused_data:
        raise MalformedBody(f"the body is not one whole {coding} stream: send all of it and nothing behind it")
    return inflated


def _deflated(data: bytes, coding: Coding) -> bytes:
    deflating = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOW[coding])
    return deflating.compress(data) + deflating.flush()

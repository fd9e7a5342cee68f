"""Compressed bodies: `gzip` and `deflate` (RFC 9110) both ways, `zstd` (RFC 8878) in; bounded by what they become, not by what was sent."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Iterable
from types import ModuleType
from typing import Literal

from service.errors import BodyTooLarge, MalformedBody, UnreadCoding

Coding = Literal["gzip", "deflate"]

MIN_COMPRESSED_BYTES = 1000
"""Smaller answers are sent as they are: compressing them costs more than it saves."""
LONG_BYTES = 65_536
"""From this size on another thread compresses, so that other requests go on."""
LEVEL = 1
ZSTD_WINDOW_LOG = 23
"""A frame that needs a window of more than 2^23 bytes is refused: RFC 9659 has nobody send one, and the window is memory."""
_WINDOW: dict[Coding, int] = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


async def decompressed(data: bytes, coding: bytes, *, limit: int) -> bytes:
    """The body behind a `Content-Encoding`, in memory of at most `limit` bytes and the coding's window.

    Raises:
        BodyTooLarge: it is more than that.
        MalformedBody: bytes that are not of this coding.
        UnreadCoding: another coding.
    """
    match coding.lower():
        case b"" | b"identity":
            return data
        case b"gzip" | b"x-gzip":
            return await asyncio.to_thread(_inflated, data, "gzip", limit)
        case b"deflate":
            return await asyncio.to_thread(_inflated, data, "deflate", limit)
        case b"zstd":
            return await asyncio.to_thread(_unpacked, data, limit)
        case _:
            raise UnreadCoding(coding[:40].decode("latin-1"))


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
    return _whole(inflated, coding, limit, ended=inflating.eof and not inflating.unused_data)


def _unpacked(data: bytes, limit: int) -> bytes:
    zstd = _zstd()
    unpacking = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})
    try:
        unpacked: bytes = unpacking.decompress(data, max_length=limit + 1)
    except zstd.ZstdError as error:
        raise MalformedBody("the body is not zstd, as its Content-Encoding says, or needs a window of over 8 MiB") from error
    return _whole(unpacked, "zstd", limit, ended=unpacking.eof and not unpacking.unused_data)


def _zstd() -> ModuleType:
    """Python's own zstd, or what brings it to older releases; imported when a body needs it.

    Raises:
        UnreadCoding: this Python was built without it.
    """
    try:
        if sys.version_info >= (3, 14):
            import compression.zstd as zstd
        else:
            import backports.zstd as zstd
    except ImportError as error:
        raise UnreadCoding("zstd", remedy="install backports.zstd, or a Python with zstd, and start again") from error
    module: ModuleType = zstd
    return module


def _whole(found: bytes, coding: str, limit: int, *, ended: bool) -> bytes:
    if len(found) > limit:
        raise BodyTooLarge(limit)
    if not ended:
        raise MalformedBody(f"the body is not one whole {coding} stream: send all of it and nothing behind it")
    return found


def _deflated(data: bytes, coding: Coding) -> bytes:
    deflating = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOW[coding])
    return deflating.compress(data) + deflating.flush()

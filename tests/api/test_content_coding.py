"""Compressed bodies: read up to the limit of what they become, written where the caller asks."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from collections.abc import Callable

import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from service.api.content_coding import Coding, accepted_coding, compressed, decompressed
from service.errors import BodyTooLarge, MalformedBody, UnreadCoding

NEXT_WORD = "/v1/models/next-word-en/next-word"


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "deflate"]))
def test_what_is_compressed_is_what_comes_out(data: bytes, coding: Coding):
    async def there_and_back() -> bytes:
        return await decompressed(await compressed(data, coding), coding.encode(), limit=2000)

    assert asyncio.run(there_and_back()) == data


def test_a_long_answer_is_compressed_like_a_short_one():
    assert gzip.decompress(asyncio.run(compressed(b"a" * 100_000, "gzip"))) == b"a" * 100_000


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("Deflate", zlib.compress), ("zstd", zstandard.compress)]
)
def test_every_question_may_be_compressed(client: httpx.Client, coding: str, compress: type[bytes]):
    answer = client.post(NEXT_WORD, content=compress(b'{"text": "the dog o"}'), headers={"Content-Encoding": coding})

    assert answer.json()["suggestions"][0]["word"] == "on"


@pytest.mark.parametrize(
    ("coding", "body", "error"),
    [
        ("zstd", b"{}", "the body is not zstd, as its Content-Encoding says, or needs a window of over 8 MiB"),
        ("zstd", zstandard.compress(b"{}")[:-1], "the body is not one whole zstd stream: send all of it and nothing behind it"),
        (
            "zstd",
            zstandard.compress(b"{") + zstandard.compress(b"}"),
            "the body is not one whole zstd stream: send all of it and nothing behind it",
        ),
        ("gzip", b"{}", "the body is not gzip, as its Content-Encoding says"),
        ("deflate", gzip.compress(b"{}", mtime=0), "the body is not deflate, as its Content-Encoding says"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], "the body is not one whole gzip stream: send all of it and nothing behind it"),
        (
            "gzip",
            gzip.compress(b"{", mtime=0) + gzip.compress(b"}", mtime=0),
            "the body is not one whole gzip stream: send all of it and nothing behind it",
        ),
    ],
)
def test_what_is_not_compressed_as_it_says_is_answered_400(client: httpx.Client, coding: str, body: bytes, error: str):
    answer = client.post(NEXT_WORD, content=body, headers={"Content-Encoding": coding})

    assert answer.status_code == 400
    assert answer.json()["detail"] == error


def test_a_coding_that_is_not_read_is_answered_415(client: httpx.Client):
    answer = client.post(NEXT_WORD, content=b"{}", headers={"Content-Encoding": "br"})

    assert answer.status_code == 415
    assert answer.json()["detail"] == "content encoding 'br' is not read here: send gzip, deflate, zstd or none"


def test_zstd_without_its_library_is_answered_415_with_the_remedy(client: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", None)
    answer = client.post(NEXT_WORD, content=zstandard.compress(b"{}"), headers={"Content-Encoding": "zstd"})

    assert answer.status_code == 415
    assert answer.json()["detail"].endswith("install backports.zstd, or a Python with zstd, and start again")


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_a_body_is_held_to_the_limit_by_what_it_becomes(coding: str, compress: Callable[[bytes], bytes]):
    bomb = compress(b" " * 1_000_000)

    assert asyncio.run(decompressed(bomb, coding.encode(), limit=1_000_000)) == b" " * 1_000_000
    with pytest.raises(BodyTooLarge, match="over 999999 bytes"):
        asyncio.run(decompressed(bomb, coding.encode(), limit=999_999))


def test_a_zstd_frame_may_not_ask_for_much_memory():
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    wide = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    with pytest.raises(MalformedBody, match="window of over 8 MiB"):
        asyncio.run(decompressed(wide.compress(b"{}") + wide.flush(), b"zstd", limit=1000))


def test_no_coding_at_all_leaves_the_body_as_it_is():
    assert asyncio.run(decompressed(b"abc", b"identity", limit=1)) == b"abc"
    with pytest.raises(UnreadCoding):
        asyncio.run(decompressed(b"abc", b"gzip, gzip", limit=1))


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0, deflate;q=0.5", "deflate"),
        ("GZIP;q=1.0", "gzip"),
        ("gzip; q=0.000", None),
        ("br, *", None),
        ("", None),
    ],
)
def test_the_answer_has_a_coding_that_the_caller_accepts(accepted: str, coding: str | None):
    assert accepted_coding([(b"host", b"a"), (b"accept-encoding", accepted.encode())]) == coding


def test_a_caller_who_accepts_nothing_in_particular_gets_plain_bytes():
    assert accepted_coding([(b"host", b"a")]) is None

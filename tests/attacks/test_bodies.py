"""Bodies that mean harm: each is refused, costs bounded memory, and leaves the service answering."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from typing import Any

import httpx
import numpy as np
import pytest
import zstandard

from service.api.content_coding import decompressed
from service.errors import BodyTooLarge

from .conftest import LIMIT
from .wire import NEXT_WORD, connected, start, status

INFER = "/v2/models/digit-rows/infer"
IMAGE = np.full((1, 28, 28), 60, np.float32)


def request(behind: bytes = IMAGE.tobytes(), *, size: object = 3136, length: str | None = None, **changes: object) -> dict[str, Any]:
    """A tensor as bytes behind its JSON, with whatever is said of it changed."""
    tensor = {"name": "sequence", "datatype": "FP32", "shape": [1, 28, 28], "parameters": {"binary_data_size": size}, **changes}
    head = json.dumps({"inputs": [tensor]}).encode()
    return {"content": head + behind, "headers": {"Inference-Header-Content-Length": str(len(head)) if length is None else length}}


def numbers(text: str) -> str:
    """A request whose numbers are this text."""
    return f'{{"inputs": [{{"name": "sequence", "datatype": "FP32", "shape": [1, 1, 28], "data": [{text}]}}]}}'


@pytest.fixture(autouse=True)
def _answers_afterwards(client: httpx.Client):
    yield
    assert client.post(INFER, **request()).status_code == 200


def test_a_chunked_body_without_an_end_is_cut_off(address: str):
    with connected(address) as connection:
        connection.sendall(start(NEXT_WORD, "Transfer-Encoding: chunked"))
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        sent = 0
        try:
            while sent < 100 * LIMIT:
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass  # the server has hung up

        assert sent < 100 * LIMIT


@pytest.mark.parametrize("size", ["ffffffffffffffff", "10000000000000000", "-1", "zz"])
def test_a_chunk_of_an_impossible_size_is_refused(address: str, size: str):
    with connected(address) as connection:
        connection.sendall(start(NEXT_WORD, "Transfer-Encoding: chunked") + size.encode() + b"\r\n" + b" " * (LIMIT + 1))

        assert status(connection) in (400, 413)


@pytest.mark.parametrize(("coding", "window"), [("gzip", 31), ("deflate", 15)])
def test_a_bomb_is_inflated_to_the_limit_and_no_further(client: httpx.Client, coding: str, window: int):
    deflating = zlib.compressobj(9, zlib.DEFLATED, window)
    zeros = b"\0" * 1_000_000
    bomb = b"".join(deflating.compress(zeros) for _ in range(60)) + deflating.flush()
    assert len(bomb) < LIMIT  # 60 MB in less than 100 kB

    answer = client.post(INFER, content=bomb, headers={"Content-Encoding": coding})

    assert answer.status_code == 413
    assert inflating(bomb, coding) < 5 * LIMIT


def test_a_bomb_of_zstd_is_unpacked_to_the_limit_and_no_further(client: httpx.Client):
    bomb = zstandard.compress(b"\0" * 60_000_000)
    assert len(bomb) < LIMIT

    answer = client.post(INFER, content=bomb, headers={"Content-Encoding": "zstd"})

    assert answer.status_code == 413
    assert inflating(bomb, "zstd") < 5 * LIMIT


def inflating(bomb: bytes, coding: str) -> int:
    """Bytes of memory that a bomb takes at most."""
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            asyncio.run(decompressed(bomb, coding.encode(), limit=LIMIT))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_within_a_bomb_is_not_opened(client: httpx.Client):
    bomb = gzip.compress(gzip.compress(b"\0" * 1_000_000))

    assert client.post(INFER, content=bomb, headers={"Content-Encoding": "gzip, gzip"}).status_code == 415
    assert client.post(INFER, content=bomb, headers={"Content-Encoding": "gzip"}).status_code == 400


@pytest.mark.parametrize("depth", [100, 1_000, 40_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_json_nested_deep_is_refused(client: httpx.Client, depth: int, brackets: tuple[str, str]):
    opening, closing = brackets
    deep = (opening * depth + "1" + closing * depth)[:LIMIT]

    answer = client.post(INFER, content=numbers(deep)[:LIMIT])

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    "shape",
    [
        [2**64, 1, 28],
        [2**63, 2, 28],
        [2**32, 2**32, 28],
        [10**300, 1, 28],
        [-1, 28, 28],
        [-1, -784, 1],
        [0, 28, 28],
        [1, 28, 28, 1],
        [1] * 17,
        [1.5, 28, 28],
        ["1", 28, 28],
        [True, 28, 28],
        [],
    ],
)
def test_a_shape_that_cannot_be_is_refused(client: httpx.Client, shape: list[Any]):
    answer = client.post(INFER, **request(shape=shape))

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("inputs.0")


@pytest.mark.parametrize(
    "shape",
    [[2**64, 1, 28], [2**63, 2, 28], [2**32, 2**32, 28], [10**300, 1, 28], [-1, 1, 28], [-1, -28, 1], [1, 1, 0], [1, 28], [1] * 1000, []],
)
def test_a_shape_that_cannot_be_is_refused_in_json(client: httpx.Client, shape: list[int]):
    tensor = {"name": "sequence", "datatype": "FP32", "shape": shape, "data": [0] * 28}
    answer = client.post(INFER, json={"inputs": [tensor]})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("inputs.0")


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "1e999", "NaN", "1e39"])
def test_numbers_that_are_not_finite_are_refused_in_json(client: httpx.Client, number: str):
    assert client.post(INFER, content=numbers("0, " * 27 + number)).status_code == 400


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "1e999", "NaN", '"NaN"', "1e39", "-1e39", "9" * 400])
@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/v1/models/energy-load/forecast", '{"series": [{"start": "2026-01-01", "values": [%s]}]}'),
        ("/v1/models/energy-load:predict", '{"instances": [{"start": "2026-01-01", "values": [%s]}]}'),
        ("/v1/models/digit-rows/classify", '{"sequences": [[[%s]]]}'),
        ("/v1/models/digit-rows:predict", '{"instances": [[[%s]]]}'),
    ],
)
def test_numbers_that_are_not_finite_are_refused_by_every_route(client: httpx.Client, route: str, body: str, number: str):
    answer = client.post(route, content=body % ("1, " * 27 + number))

    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("number", [np.inf, -np.inf])
def test_infinities_are_refused_in_bytes(client: httpx.Client, number: float):
    image = IMAGE.copy()
    image[0, 3, 3] = number

    answer = client.post(INFER, **request(image.tobytes()))

    assert answer.status_code == 400
    assert answer.json() == {"error": "inputs.0: 'sequence' holds an infinity: send finite numbers, or NaN where one is missing"}


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (request(size=3132), "inputs.0.parameters.binary_data_size: 3132 bytes: FP32 of shape [1, 28, 28] has 3136"),
        (request(size=2**64), "inputs.0.parameters.binary_data_size: "),
        (request(size=-3136), "inputs.0.parameters.binary_data_size: this should be greater than or equal to 0"),
        (request(size="3136"), "inputs.0.parameters.binary_data_size: this should be a valid integer"),
        (request(size=True), "inputs.0.parameters.binary_data_size: this should be a valid integer"),
        (request(IMAGE.tobytes()[:-1]), "inputs.0.parameters: the body ends 1 bytes before the end of 'sequence'"),
        (request(b""), "inputs.0.parameters: the body ends 3136 bytes before the end of 'sequence'"),
        (request(IMAGE.tobytes() + b"\0"), "inputs: 3137 bytes behind the JSON: the inputs' binary_data_size add up to 3136"),
        (request(data=[1]), "inputs.0.data: both are here"),
        (request(parameters={}), "inputs.0.data: neither is here"),
        (request(parameters={"shared_memory_region": "/etc/passwd"}), "no memory is shared with callers"),
        (request(length="9999999"), "Inference-Header-Content-Length must be here once"),
        (request(length="-1"), "Inference-Header-Content-Length must be here once"),
        (request(length="1_0"), "Inference-Header-Content-Length must be here once"),
        (request(length="9" * 5000), "Inference-Header-Content-Length must be here once"),
        (request(length=""), "Inference-Header-Content-Length must be here once"),
        (request(length="0"), "the body is not JSON"),
        (request(length="10"), "the body is not JSON"),
        (request(datatype="BYTES"), "inputs.0.datatype: 'BYTES': 'sequence' takes FP32"),
    ],
)
def test_bytes_that_are_not_what_the_json_says_are_refused(client: httpx.Client, question: dict[str, Any], error: str):
    answer = client.post(INFER, **question)

    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_two_lengths_of_the_json_are_refused(client: httpx.Client):
    question = request()
    length = question["headers"]["Inference-Header-Content-Length"]
    headers = [("Inference-Header-Content-Length", length), ("inference-header-content-length", "2")]

    assert client.post(INFER, content=question["content"], headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("outputs", "error"),
    [
        ([{"name": "probabilities"}] * 2, "outputs.1.name: output 'probabilities' is here twice"),
        ([{"name": "probabilities", "parameters": {"classification": 10**9}}], "over 100000 classes in one answer"),
        ([{"name": "probabilities", "parameters": {"classification": -1}}], "this should be greater than or equal to 0"),
        ([{"name": "probabilities", "parameters": {"shared_memory_region": "a"}}], "no memory is shared with callers"),
    ],
)
def test_outputs_that_would_grow_without_bound_are_refused(client: httpx.Client, outputs: list[Any], error: str):
    tensor = {"name": "sequence", "datatype": "FP32", "shape": [1, 1, 28], "data": [0] * 28}

    answer = client.post(INFER, json={"inputs": [tensor], "outputs": outputs})

    assert answer.status_code == 400
    assert error in answer.json()["error"]

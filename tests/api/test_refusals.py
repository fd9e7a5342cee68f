"""What is wrong with a request is said with its position and with what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

FORECAST = "/v1/models/energy-load/forecast"
NEXT_WORD = "/v1/models/next-word-en/next-word"
CLASSIFY = "/v1/models/digit-rows/classify"
HOURS = [1.0] * 24
IMAGE = [[0] * 28] * 28
PREDICT = "/v1/models/energy-load:predict"
INSTANCE = {"start": "2026-01-05", "values": HOURS}


def series(**changes: object) -> dict[str, Any]:
    return {"series": [{"start": "2026-01-05", "values": HOURS, **changes}]}


@pytest.mark.parametrize(
    ("route", "body", "where", "message"),
    [
        (FORECAST, {}, ["series"], "this field is required"),
        (FORECAST, {"series": []}, ["series"], "List should have at least 1 item"),
        (FORECAST, {"series": [{"values": [1]}] * 1001}, ["series"], "List should have at most 1000 items"),
        (FORECAST, {"series": [3]}, ["series", 0], "this should be an object"),
        (FORECAST, {**series(), "horizn": 3}, ["horizn"], "unknown field; the fields here are series, horizon, quantiles"),
        (
            FORECAST,
            series(value=[1]),
            ["series", 0, "value"],
            "unknown field; the fields here are id, start, timestamps, values, past, future",
        ),
        (FORECAST, series(values=[*HOURS, "1"]), ["series", 0, "values", 24], "this should be a valid number"),
        (FORECAST, series(values=[*HOURS, True]), ["series", 0, "values", 24], "this should be a valid number"),
        (FORECAST, series(values=[*HOURS, 1e39]), ["series", 0, "values", 24], "1e+39 is beyond the range of a 32-bit float"),
        (FORECAST, series(values=[1.0]), ["series", 0, "values"], "this model needs at least 24"),
        (FORECAST, series(start="noon"), ["series", 0, "start"], "write ISO 8601"),
        (FORECAST, series(start=None), ["series", 0, "start"], "send `start` or `timestamps`"),
        (FORECAST, series(timestamps=["2026-01-05"] * 24), ["series", 0, "timestamps"], "send one of them"),
        (FORECAST, series(start=None, timestamps=["2026-01-05"]), ["series", 0, "timestamps"], "send one for each"),
        (FORECAST, series(past={"wind": HOURS}), ["series", 0, "past", "wind"], "unknown covariate"),
        (FORECAST, {**series(), "horizon": 49}, ["horizon"], "this model forecasts 1 to 48 steps"),
        (FORECAST, {**series(), "quantiles": [0.95]}, ["quantiles", 0], "this model answers quantiles from 0.1 to 0.9"),
        (NEXT_WORD, {"text": "a", "words": 257}, ["words"], "less than or equal to 256"),
        (NEXT_WORD, {"text": "a", "words": 0}, ["words"], "greater than or equal to 1"),
        (NEXT_WORD, {"text": "a", "top_k": 101}, ["top_k"], "less than or equal to 100"),
        (NEXT_WORD, {"text": "a", "temperature": 0}, ["temperature"], "leave this out for the likeliest ones"),
        (NEXT_WORD, {"text": "a", "temperature": 5.1}, ["temperature"], "less than or equal to 5"),
        (NEXT_WORD, {"text": 3}, ["text"], "this should be a valid string"),
        (CLASSIFY, {"sequences": [IMAGE, IMAGE[:27]]}, ["sequences", 1], "27 rows: this model takes 28"),
        (CLASSIFY, {"sequences": [[[0] * 27] * 28]}, ["sequences", 0, 0], "27 numbers in a row: this model takes 28"),
        (CLASSIFY, {"sequences": [[[0] * 28, [0, None]]]}, ["sequences", 0, 1, 1], "this should be a valid number"),
        ("/v1/models/digit-rows:predict", {"instances": [IMAGE, 1]}, ["instances", 1], "this should be a valid list"),
        ("/v1/models/digit-rows:predict", {"instances": [IMAGE[:27]]}, ["instances", 0], "27 rows"),
        ("/v1/models/energy-load:predict", {"instances": {}}, ["instances"], "this should be a valid array"),
        ("/v1/models/energy-load:predict", {"instances": [{"values": [1]}]}, ["instances", 0, "values"], "at least 24"),
        (PREDICT, {"instances": [{**INSTANCE, "horizon": 3}]}, ["instances", 0, "horizon"], "send it in `parameters`, beside `instances`"),
        (PREDICT, {"instances": [{**INSTANCE, "horizn": 3}]}, ["instances", 0, "horizn"], "unknown field; the fields here are id, start"),
        (PREDICT, {"instances": [INSTANCE], "parameters": {"horizn": 3}}, ["parameters", "horizn"], "unknown field; the fields here are"),
        (PREDICT, {"instances": [INSTANCE], "parameters": {"horizon": 49}}, ["parameters", "horizon"], "forecasts 1 to 48 steps"),
        (PREDICT, {"instances": [INSTANCE], "parameters": {"level": [95]}}, ["parameters", "level", 0], "so levels up to 80"),
        (PREDICT, {"instances": [INSTANCE], "parameters": {"series": []}}, ["parameters", "series"], "send what would be `series` as"),
        (
            PREDICT,
            {"instances": [INSTANCE, {**INSTANCE, "values": 3}], "parameters": {"horizon": 2}},
            ["instances", 1, "values"],
            "a valid list",
        ),
        (PREDICT, {"instances": [INSTANCE], "parameters": 3}, ["parameters"], "this should be an object"),
        ("/v1/models/digit-rows:predict", {"instances": [IMAGE], "parameters": {"top_k": 3}}, ["parameters", "top_k"], "unknown field"),
        ("/v1/models/next-word-en:predict", {"instances": ["a"], "parameters": {"top_k": 101}}, ["parameters", "top_k"], "equal to 100"),
        ("/v1/models/next-word-en:predict", {"instances": ["a", 7]}, ["instances", 1], "this should be an object"),
        ("/v1/models/next-word-en:predict", {"instances": ["a"] * 101}, ["instances"], "at most 100"),
        ("/v1/models/next-word-en:predict", {"instances": ["a"] * 1001}, ["instances"], "at most 1000"),
    ],
)
def test_a_wrong_part_is_answered_422_with_its_position(
    client: httpx.Client, route: str, body: dict[str, Any], where: list[Any], message: str
):
    answer = client.post(route, json=body)

    problem = answer.json()
    assert answer.status_code == problem["status"] == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["errors"][0]["where"] == where
    assert message in problem["errors"][0]["message"]
    assert problem["detail"].startswith(".".join(map(str, where)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused_with_their_position(client: httpx.Client, number: str):
    answer = client.post(FORECAST, content=f'{{"series": [{{"values": [1, {number}]}}]}}')

    assert answer.status_code == 422
    message = "this should be a finite number, or null where it is missing"
    assert answer.json()["errors"] == [{"where": ["series", 0, "values", 1], "message": message}]


def test_null_is_no_remedy_where_it_is_not_taken(client: httpx.Client):
    answer = client.post(FORECAST, content='{"series": [{"values": [1]}], "quantiles": [NaN]}')

    assert answer.json()["errors"] == [{"where": ["quantiles", 0], "message": "this should be a finite number"}]


def test_covariates_known_ahead_may_be_null_but_not_nan(client: httpx.Client):
    answer = client.post(FORECAST, content='{"series": [{"values": [1], "future": {"price": [1, NaN]}}]}')

    assert answer.json()["detail"] == "series.0.future.price.1: this should be a finite number, or null where it is missing"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "EOF while parsing"),
        (b"hello", "expected value"),
        (b'{"text": "a"} {', "trailing characters"),
        (b'{"text": "\xff"}', "invalid unicode"),
        (b'{"text": "\\ud800"}', "hex escape"),
        (b'{"instances": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "recursion limit exceeded"),
    ],
)
def test_what_is_not_json_is_answered_400(client: httpx.Client, body: bytes, reason: str):
    answer = client.post("/v1/models/next-word-en:predict", content=body)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("the body is not JSON: ")
    assert reason in answer.json()["detail"]


def test_at_most_twenty_wrong_parts_are_listed(client: httpx.Client):
    answer = client.post(NEXT_WORD, json={f"field{number}": 1 for number in range(30)})

    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"].endswith("(and 30 more)")


def test_a_body_full_of_mistakes_is_refused_without_a_list(client: httpx.Client):
    answer = client.post(NEXT_WORD, content=json.dumps({f"{number:x}": 1 for number in range(10_001)}, separators=(",", ":")))

    assert answer.status_code == 422
    assert answer.json()["detail"] == "10002 parts of the body are wrong: see the body's schema at /docs"


def test_a_body_over_the_limit_is_answered_413(client: httpx.Client):
    answer = client.post(NEXT_WORD, content=b" " * 100_001)

    assert answer.status_code == 413
    assert "over 100000 bytes" in answer.json()["detail"]
    assert answer.headers["connection"] == "close"


def test_a_body_without_a_length_is_read_up_to_the_limit_only(address: str):
    host, port = address.removeprefix("http://").split(":")
    head = f"POST {NEXT_WORD} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + (b"2710\r\n" + b" " * 10_000 + b"\r\n") * 11)  # and never the empty chunk that ends a body

        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_arrives_in_pieces_is_put_together(client: httpx.Client):
    def pieces() -> Iterator[bytes]:
        yield b'{"text": '
        yield b'"the dog o"}'

    assert client.post(NEXT_WORD, content=pieces()).json()["suggestions"][0]["word"] == "on"


def test_timestamps_cannot_make_a_small_body_a_large_array(client: httpx.Client):
    gap = {
        "timestamps": ["2026-01-05T00:00:00", "2031-01-05T00:00:00"],
        "values": [1, 2],
        "past": {str(number): [1, 2] for number in range(99)},
    }

    answer = client.post(FORECAST, json={"series": [gap] * 3})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == ["series", 1]
    assert "over 5000000 numbers" in answer.json()["detail"]


def test_an_unknown_model_is_answered_404_with_the_names_that_are_known(client: httpx.Client):
    answer = client.post("/v1/models/energy/forecast", json=series())

    assert answer.status_code == 404
    assert answer.json() == {
        "type": "urn:carousel:model-not-found",
        "title": "Unknown model",
        "status": 404,
        "detail": "no model 'energy'; served here: digit-rows, energy-load, next-word-en, share-price",
    }


def test_an_unknown_version_is_answered_404_with_those_that_are_known(client: httpx.Client):
    answer = client.post("/v1/models/energy-load/versions/3/forecast", json=series())

    assert answer.status_code == 404
    assert answer.json()["detail"] == "no version 3 of 'energy-load'; served here: 1, 2"


@pytest.mark.parametrize("version", ["0", "-1", "latest", "1" * 5000, "²"])
def test_what_is_no_version_is_answered_422(client: httpx.Client, version: str):
    answer = client.post(f"/v1/models/energy-load/versions/{version}/forecast", json=series())

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == ["path", "version"]


@pytest.mark.parametrize(
    ("route", "body", "right"),
    [
        ("/v1/models/digit-rows/forecast", series(), "/v1/models/digit-rows/classify"),
        ("/v1/models/energy-load/next-word", {"text": "a"}, "/v1/models/energy-load/forecast"),
        ("/v1/models/next-word-en/classify", {"sequences": [IMAGE]}, "/v1/models/next-word-en/next-word"),
    ],
)
def test_another_task_is_answered_409_with_the_route_that_the_model_has(client: httpx.Client, route: str, body: dict[str, Any], right: str):
    answer = client.post(route, json=body)

    assert answer.status_code == 409
    assert answer.json()["detail"].endswith(f"ask POST {right}")

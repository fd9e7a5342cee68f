"""Continuing a text over the Open Inference Protocol, whole and word by word."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

GENERATE = "/v2/models/next-word-en/generate"
STREAM = "/v2/models/next-word-en/versions/1/generate_stream"
TEXT = "the cat sat on "


def question(text: str = TEXT, **parameters: object) -> dict[str, Any]:
    return {"text_input": text, "parameters": {"max_tokens": 4, **parameters}}


def events(body: str) -> list[dict[str, Any]]:
    """The objects of server-sent events."""
    assert body.endswith("\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in body.strip().split("\n\n")]


@pytest.mark.parametrize("route", [GENERATE, "/v2/models/next-word-en/versions/1/generate"])
def test_a_text_is_continued(client: httpx.Client, route: str):
    answer = client.post(route, json={"id": "a", **question()})

    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == "1"
    assert answer.json() == {"id": "a", "model_name": "next-word-en", "model_version": "1", "text_output": "sat cat dog log"}


@pytest.mark.parametrize("route", [STREAM, "/v2/models/next-word-en/generate_stream"])
def test_a_stream_has_the_same_words_one_by_one(client: httpx.Client, route: str):
    answer = client.post(route, json=question())

    pieces = [event["text_output"] for event in events(answer.text)]
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-model-version"] == "1"
    assert "".join(pieces) == "sat cat dog log"
    assert len(pieces) == 4
    assert all((event["model_name"], event["model_version"]) == ("next-word-en", "1") for event in events(answer.text))


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("the dog o", "n sat"),  # the word being typed is completed
        ("the dog ", "log mat"),
        ("", ". on"),
        ("the zebr", " the."),  # no word begins so: it is read as it stands
        ("the dog,", " the."),
    ],
)
def test_what_is_added_fits_the_end_of_the_text(client: httpx.Client, text: str, added: str):
    assert client.post(GENERATE, json=question(text, max_tokens=2)).json()["text_output"] == added


def test_a_seed_makes_a_draw_repeatable(client: httpx.Client):
    drawn = [client.post(GENERATE, json=question(temperature=5, seed=seed, max_tokens=20)).json()["text_output"] for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("route", [GENERATE, STREAM])
@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "text_input: this field is required"),
        (question(max_tokens=257), 400, "parameters.max_tokens: this should be less than or equal to 256"),
        (question(colour=1), 400, "parameters.colour: unknown field; the fields here are max_tokens, temperature, seed"),
    ],
)
def test_what_cannot_be_generated_is_refused_before_it_begins(
    client: httpx.Client, route: str, body: dict[str, Any], status: int, error: str
):
    answer = client.post(route, json=body)

    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_a_forecaster_generates_no_text(client: httpx.Client):
    answer = client.post("/v2/models/energy-load/generate_stream", json=question())

    assert answer.status_code == 409
    assert answer.json() == {"error": "'energy-load' is a forecast model: ask POST /v1/models/energy-load/forecast"}

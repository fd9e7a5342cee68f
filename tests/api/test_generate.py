"""Continuing a text over the Open Inference Protocol, whole and word by word."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

GENERATE = "/v2/models/next-word-en/generate"
STREAM = "/v2/models/next-word-en/versions/1/generate_stream"
TEXT = "the cat sat on "
OTHER_FIELDS = "top_p, repetition_penalty, seed, stop, end, n, beams, length_penalty, pointer"


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
        ("", "the."),  # of equally likely words the first
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
        (question(colour=1), 400, "parameters.colour: unknown field; the fields here are max_tokens, temperature, top_k, " + OTHER_FIELDS),
        (question(temperature=0), 400, "parameters.temperature: words are drawn at 0.01 to 5: leave this out for the likeliest ones"),
        (question(top_k=3), 400, "parameters.top_k: nothing is drawn without a temperature: set one, or leave this out"),
        (question(temperature=1, beams=3), 400, "parameters.beams: a beam search draws nothing: leave out this, or temperature"),
        (question(stop=["a"] * 17), 400, "parameters.stop: List should have at most 16 items after validation, not 17"),
        (question(n=17), 400, "parameters.n: this should be less than or equal to 16"),
    ],
)
def test_what_cannot_be_generated_is_refused_before_it_begins(
    client: httpx.Client, route: str, body: dict[str, Any], status: int, error: str
):
    answer = client.post(route, json=body)

    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"n": 2, "temperature": 1}, "parameters.n: a stream has one continuation: leave this out, or ask generate"),
        ({"beams": 2}, "parameters.beams: beams are known at their end alone: leave this out, or ask generate"),
    ],
)
def test_a_stream_is_of_one_text_that_is_written_from_the_front(client: httpx.Client, parameters: dict[str, Any], error: str):
    answer = client.post(STREAM, json=question(**parameters))

    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_several_texts_come_with_the_first_one(client: httpx.Client):
    drawn = client.post(GENERATE, json=question(n=3, temperature=5, seed=1, max_tokens=12)).json()
    beams = client.post(GENERATE, json=question(n=2, beams=4)).json()

    assert len(set(drawn["text_outputs"])) == 3
    assert drawn["text_output"] == drawn["text_outputs"][0]
    assert beams["text_outputs"][0] == beams["text_output"] == "sat cat dog log"
    assert len(beams["text_outputs"]) == 2


@pytest.mark.parametrize("stop", [["cat dog"], ["t dog", "zz"], [" cat dog"]])
def test_a_stop_string_appears_neither_whole_nor_in_part(client: httpx.Client, stop: list[str]):
    whole = client.post(GENERATE, json=question(stop=stop, max_tokens=20)).json()["text_output"]
    pieces = [event["text_output"] for event in events(client.post(STREAM, json=question(stop=stop, max_tokens=20)).text)]

    assert whole == "".join(pieces) == "sat cat dog"[: "sat cat dog".index(stop[0])]


def test_a_text_that_ends_at_once_is_one_empty_event(client: httpx.Client):
    assert [event["text_output"] for event in events(client.post(STREAM, json=question(stop=["sat"])).text)] == [""]


def test_what_is_drawn_can_be_narrowed_to_the_likeliest(client: httpx.Client):
    narrow = [{"top_k": 1}, {"top_p": 0.01}]

    assert [
        client.post(GENERATE, json=question(temperature=5, seed=seed, **one)).json()["text_output"] for seed, one in enumerate(narrow)
    ] == ["sat cat dog log"] * 2


def test_a_forecaster_generates_no_text(client: httpx.Client):
    answer = client.post("/v2/models/energy-load/generate_stream", json=question())

    assert answer.status_code == 409
    assert answer.json() == {"error": "'energy-load' is a forecast model: ask POST /v1/models/energy-load/forecast"}

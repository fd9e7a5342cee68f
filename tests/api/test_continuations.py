"""Several next words at once: how they are chosen, where they end, what is refused, and as a stream."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

ROUTE = "/v1/models/next-word-en/next-word"
TEXT = "the cat sat on "


def continued(client: httpx.Client, **fields: object) -> list[dict[str, Any]]:
    answer = client.post(ROUTE, json={"text": TEXT, "words": 4, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["continuations"]


def events(body: str) -> list[tuple[str, dict[str, Any]]]:
    """Kind and data of each server-sent event."""
    assert body.endswith("\n\n")
    found = [event.split("\n") for event in body.strip().split("\n\n")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in found]


def test_beams_find_the_likeliest_continuations(client: httpx.Client):
    found = continued(client, top_k=3)
    wider = continued(client, top_k=3, beams=20)

    assert (found[0]["text"], found[0]["finish_reason"]) == ("sat cat dog log", "length")
    assert [one["probability"] for one in found] == sorted((one["probability"] for one in found), reverse=True)
    assert wider[2]["probability"] >= found[2]["probability"]
    assert len(wider) == len(continued(client, beams=3)) == 3


def test_a_stop_string_ends_a_continuation(client: httpx.Client):
    [found] = continued(client, top_k=1, stop=["t dog", "og log"])

    assert (found["text"], found["finish_reason"]) == ("sat ca", "stop")


@pytest.mark.parametrize(
    ("text", "first"), [("the dog o", "on sat"), ("the dog O", "on sat"), ("the zebr", "zebr the."), ("the dog,", "the."), ("", "the.")]
)
def test_the_word_being_typed_is_written_whole(client: httpx.Client, text: str, first: str):
    assert continued(client, text=text, words=2, top_k=1)[0]["text"] == first


def test_drawn_continuations_are_repeatable_and_each_stands_there_once(client: httpx.Client):
    fields = {"temperature": 0.8, "top_p": 0.95, "sample_top_k": 6, "repetition_penalty": 1.3, "seed": 4, "top_k": 10, "words": 2}
    found = continued(client, **fields)

    assert found == continued(client, **fields)
    assert 1 < len({one["text"] for one in found}) == len(found) <= 10
    assert [one["probability"] for one in found] == sorted((one["probability"] for one in found), reverse=True)


def test_a_repetition_penalty_writes_other_words(client: httpx.Client):
    assert "cat" in continued(client, top_k=1)[0]["text"]
    assert not {"the", "cat", "sat", "on"} & set(continued(client, top_k=1, repetition_penalty=10.0)[0]["text"].split())


def test_a_stream_has_an_event_for_each_word_and_the_whole_at_its_end(client: httpx.Client):
    answer = client.post(ROUTE, json={"text": "the dog o", "words": 4, "stream": True})
    *words, (last, whole) = events(answer.text)

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-model-version"] == "1"
    assert [(kind, event["index"], event["text"]) for kind, event in words] == [
        ("word", 0, added) for added in ("n", " sat", " cat", " dog")
    ]
    assert last == "continuations"
    assert whole == client.post(ROUTE, json={"text": "the dog o", "words": 4, "top_k": 1}).json()
    probability = 1.0
    for _, event in words:
        probability *= event["probability"]
    assert whole["continuations"][0]["probability"] == pytest.approx(probability)


def test_a_stream_of_several_that_are_drawn_tells_them_apart(client: httpx.Client):
    body = {"text": TEXT, "words": 5, "stream": True, "top_k": 3, "temperature": 5, "seed": 2, "stop": ["dog"]}
    *words, (_, whole) = events(client.post(ROUTE, json=body).text)
    texts = ["".join(event["text"] for _, event in words if event["index"] == index) for index in range(3)]

    assert sorted(texts) == sorted(one["text"] for one in whole["continuations"])
    assert not any("dog" in text for text in texts)


def test_a_stream_of_a_version_can_be_asked_for(client: httpx.Client):
    route = "/v1/models/next-word-en/versions/1/next-word"

    assert events(client.post(route, json={"text": TEXT, "words": 2, "stream": True}).text)[-1][1]["version"] == 1


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({"top_p": 0.9}, "top_p", "nothing is drawn without a temperature"),
        ({"sample_top_k": 9}, "sample_top_k", "nothing is drawn without a temperature"),
        ({"temperature": 1, "beams": 5}, "beams", "a beam search draws nothing"),
        ({"top_k": 5, "beams": 4}, "beams", "this should be at least top_k, 5"),
        ({"temperature": 1, "length_penalty": 1}, "length_penalty", "this compares beams"),
        ({"words": 256, "beams": 17}, "top_k", "4352 words in all, over 4096"),
        ({"stream": True, "beams": 2}, "beams", "known at their end alone"),
        ({"stream": True, "top_k": 2}, "top_k", "the likeliest text is one"),
        ({"words": 1, "stop": ["."]}, "stop", "set words over 1"),
        ({"words": 1, "stream": True}, "stream", "set words over 1"),
        ({"stop": [""]}, "stop.0", "at least 1 character"),
        ({"top_p": 0}, "top_p", "greater than 0"),
    ],
)
def test_what_makes_no_sense_together_is_refused_with_its_place(client: httpx.Client, fields: dict[str, Any], where: str, message: str):
    answer = client.post(ROUTE, json={"text": TEXT, "words": 4, **fields})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{where}: ")
    assert message in answer.json()["detail"]


def test_what_says_nothing_new_is_taken_for_one_word_too(client: httpx.Client):
    answer = client.post(ROUTE, json={"text": TEXT, "stop": [], "stream": False, "repetition_penalty": 1.0, "beams": None})

    assert answer.status_code == 200
    assert "suggestions" in answer.json()


def test_one_of_several_instances_cannot_be_a_stream(client: httpx.Client):
    body = {"instances": [TEXT, {"text": TEXT, "words": 2, "stream": True}]}

    answer = client.post("/v1/models/next-word-en:predict", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == ["instances", 1, "stream"]


def test_a_forecaster_streams_no_words(client: httpx.Client):
    answer = client.post("/v1/models/energy-load/next-word", json={"text": TEXT, "words": 2, "stream": True})

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:carousel:wrong-task")

"""Capitals in what is generated: whole and as a stream, for each kind of client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import Settings

from .conftest import serving
from .typists import publish_both

NEXT_WORD = "/v1/models/next-word-en/next-word"
GENERATE = "/v2/models/next-word-en/generate"
COMPLETIONS = "/openai/v1/completions"


@pytest.fixture(scope="module")
def formed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service of a model that writes `Cat`."""
    root = tmp_path_factory.mktemp("formed")
    publish_both(root)
    with serving(create_app(Settings(models=root))) as address, httpx.Client(base_url=address) as client:
        yield client


def events(body: str) -> list[dict[str, Any]]:
    """The data of server-sent events."""
    lines = [line.removeprefix("data: ") for line in body.split("\n") if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def completed(client: httpx.Client, prompt: str, **asked: Any) -> dict[str, Any]:
    answer = client.post(COMPLETIONS, json={"model": "next-word-en", "prompt": prompt, "temperature": 0, "max_tokens": 3, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]


@pytest.mark.parametrize(
    ("text", "whole", "added"), [("the ca", "Cat dog log", ["t", " dog", " log"]), ("Stop. O", "On sat Cat", ["n", " sat", " Cat"])]
)
def test_continuations_have_capitals_and_their_stream_goes_behind_the_text_as_it_stands(
    formed: httpx.Client, text: str, whole: str, added: list[str]
):
    asked = {"text": text, "words": 3, "top_k": 1}
    *words, last = events(formed.post(NEXT_WORD, json={**asked, "stream": True}).text)

    assert formed.post(NEXT_WORD, json=asked).json()["continuations"][0]["text"] == whole
    assert [event["text"] for event in words] == added
    assert last["continuations"][0]["text"] == whole


def test_generated_text_has_capitals_whole_and_streamed(formed: httpx.Client):
    asked = {"text_input": "the dog.", "parameters": {"max_tokens": 3}}
    streamed = events(formed.post(f"{GENERATE}_stream", json=asked).text)

    assert formed.post(GENERATE, json=asked).json()["text_output"] == " On sat Cat"
    assert [event["text_output"] for event in streamed] == [" On", " sat", " Cat"]


def test_tokens_of_a_completion_are_its_text(formed: httpx.Client):
    choice = completed(formed, "the cat.", logprobs=1)
    streamed = [
        event["choices"][0]
        for event in events(
            formed.post(COMPLETIONS, json={"prompt": "the cat.", "temperature": 0, "max_tokens": 3, "logprobs": 1, "stream": True}).text
        )
    ]

    assert choice["text"] == " On sat Cat"
    assert choice["logprobs"]["tokens"] == [" On", " sat", " Cat"]
    assert choice["logprobs"]["text_offset"] == [8, 11, 15]
    assert [list(top) for top in choice["logprobs"]["top_logprobs"]] == [[" On"], [" sat"], [" Cat"]]
    assert [(part["text"], part["logprobs"]["tokens"]) for part in streamed] == [(" On", [" On"]), (" sat", [" sat"]), (" Cat", [" Cat"])]


def test_a_keyboard_is_told_of_the_words_that_may_follow_in_their_letters(formed: httpx.Client):
    [top] = completed(formed, "the sat", logprobs=9, max_tokens=1)["logprobs"]["top_logprobs"]

    assert next(iter(top)) == " Cat"
    assert {" dog", " the", "."} <= set(top)


def test_an_echo_is_the_prompt_as_it_was_sent_and_its_tokens_are_the_models(formed: httpx.Client):
    choice = completed(formed, "The CAT sat", echo=True, logprobs=0, max_tokens=2)

    assert choice["text"] == "The CAT sat Cat dog"
    assert choice["logprobs"]["tokens"] == ["the", " cat", " sat", " Cat", " dog"]
    assert choice["logprobs"]["text_offset"] == [0, 3, 7, 11, 15]


def test_stop_texts_are_looked_for_in_what_is_shown(formed: httpx.Client):
    assert completed(formed, "the on", stop="Cat")["text"] == " sat "
    assert completed(formed, "the on", stop="cat")["text"] == " sat Cat dog"


def test_token_ids_are_gone_on_with_in_capitals_too(formed: httpx.Client):
    assert completed(formed, [2, 6, 3])["text"] == " On sat Cat"  # type: ignore[arg-type]  # ids are a prompt as well


def test_a_model_without_forms_writes_lower_case(formed: httpx.Client):
    asked = {"text_input": "", "parameters": {"max_tokens": 1}}

    assert formed.post("/v2/models/next-word-ko/generate", json=asked).json()["text_output"] == "나는"

"""Every parameter that the client `openai` has for completions is honoured or refused; one that it gains fails here until it is, too."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionStreamOptionsParam

from service.api.compat.openai_wire import OpenAiCompletionBody, OpenAiStreamOptions

from .writers import IDS

OF_THE_CLIENT = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
"""What it takes for itself, or passes on as it is."""
NOT_OPENAIS = {"top_k", "repetition_penalty", "pointer"}
ASKS_NOTHING = {"user"}
"""Says who asks; what is answered is the same."""

CAT = str(IDS["cat"])
ALWAYS: dict[str, Any] = {"temperature": 0, "max_tokens": 30, "logit_bias": {CAT: 40}}
DRAWN: dict[str, Any] = {"seed": 1, "logit_bias": {"0": -100}}
STREAM: dict[str, Any] = {"stream": True, "seed": 1}

HONOURED: dict[str, tuple[dict[str, Any], Any]] = {
    "model": ({"temperature": 0}, "writer:1"),
    "prompt": ({"temperature": 0}, "the dog"),
    "best_of": (DRAWN, 3),
    "echo": (DRAWN, True),
    "frequency_penalty": (ALWAYS, 2),
    "logit_bias": ({"temperature": 0}, {CAT: 40}),
    "logprobs": (DRAWN, 1),
    "max_tokens": (DRAWN, 3),
    "n": (DRAWN, 2),
    "presence_penalty": (DRAWN, 2),
    "seed": ({"logit_bias": {"0": -100}, "seed": 2}, 1),
    "stop": (ALWAYS, "cat cat"),
    "stream": ({"seed": 1}, True),
    "stream_options": (STREAM, {"include_usage": True}),
    "temperature": (DRAWN, 0),
    "top_p": (DRAWN, 0.1),
}
"""Parameter -> what is asked besides, and a value that changes what is answered."""
REFUSED: dict[str, tuple[dict[str, Any], Any, str]] = {
    "suffix": ({}, "the end", "suffix"),
    "stream_options": (STREAM, {"include_obfuscation": True}, "stream_options.include_obfuscation"),
}


@pytest.fixture(scope="module")
def client(writers_address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{writers_address}/openai/v1", api_key="any", max_retries=0) as client:
        yield client


def answered(client: OpenAI, **asked: Any) -> list[dict[str, Any]]:
    """An answer, or the events of a stream, but for what is new in each."""
    found = client.completions.create(**{"model": "writer", "prompt": "the cat", **asked})
    return [event.model_dump(exclude={"id", "created"}) for event in (found if asked.get("stream") else [found])]


def test_no_parameter_of_the_client_is_unknown_here():
    theirs = inspect.signature(openai.resources.Completions.create).parameters.keys() - OF_THE_CLIENT

    assert theirs == HONOURED.keys() | REFUSED.keys() | ASKS_NOTHING
    assert OpenAiCompletionBody.model_fields.keys() == theirs | NOT_OPENAIS
    assert OpenAiStreamOptions.model_fields.keys() == ChatCompletionStreamOptionsParam.__annotations__.keys()


@pytest.mark.parametrize("name", HONOURED)
def test_a_parameter_changes_what_is_answered(client: OpenAI, name: str):
    besides, value = HONOURED[name]

    assert answered(client, **besides) == answered(client, **besides)
    assert answered(client, **{**besides, name: value}) != answered(client, **besides)


@pytest.mark.parametrize("name", REFUSED)
def test_a_parameter_that_cannot_be_honoured_is_refused_by_its_name(client: OpenAI, name: str):
    besides, value, param = REFUSED[name]

    with pytest.raises(openai.BadRequestError) as raised:
        answered(client, **besides, **{name: value})

    assert raised.value.param == param
    assert raised.value.message.endswith(": leave this out")


def test_who_asks_is_answered_as_anybody(client: OpenAI):
    assert answered(client, **DRAWN, user="ann") == answered(client, **DRAWN)


def test_events_have_no_obfuscation_whether_that_is_said_or_not(client: OpenAI):
    plain, said = (answered(client, **STREAM, stream_options=options) for options in (openai.omit, {"include_obfuscation": False}))

    assert plain == said
    assert all("obfuscation" not in event for event in said)

"""Questions and answers of OpenAI's protocol for the docs page; a bundled model answers each question as it stands."""

from __future__ import annotations

from typing import Any

from service.api.examples import Question

_NAMED: dict[str, Any] = {"model": "next-word-en"}

COMPLETIONS = (
    Question("next-word-en", "the likeliest words", {**_NAMED, "prompt": "the old prince looked at", "max_tokens": 8, "temperature": 0}),
    Question(
        "next-word-en",
        "two draws, repeatable",
        {**_NAMED, "prompt": "he said that", "max_tokens": 12, "n": 2, "temperature": 0.8, "top_p": 0.9, "seed": 1, "stop": ["."]},
    ),
    Question("next-word-en", "what may follow, for a keyboard", {"prompt": "the old prince looked at", "logprobs": 9, "max_tokens": 1}),
    Question(
        "next-word-en",
        "how likely a text is, token by token",
        {**_NAMED, "prompt": "the old prince looked at the countess", "max_tokens": 0, "echo": True, "logprobs": 1},
    ),
    Question(
        "next-word-en",
        "token by token as it is written, with the tokens counted",
        {**_NAMED, "prompt": "the old prince", "stream": True, "stream_options": {"include_usage": True}},
    ),
)
COMPLETION_ANSWER: dict[str, Any] = {
    "id": "cmpl-5f0c2b6a9d1e4c7f8a3b",
    "object": "text_completion",
    "created": 1793000000,
    "model": "next-word-en",
    "system_fingerprint": "next-word-en:1 fp32",
    "choices": [
        {
            "index": 0,
            "text": " the",
            "logprobs": {
                "tokens": [" the"],
                "token_logprobs": [-1.56],
                "top_logprobs": [{" the": -1.56, " her": -2.12}],
                "text_offset": [24],
            },
            "finish_reason": "length",
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
}
MODELS_ANSWER: dict[str, Any] = {
    "object": "list",
    "data": [{"id": "next-word-en", "object": "model", "created": 1793000000, "owned_by": "carousel"}],
}

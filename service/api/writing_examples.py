"""Examples of texts that are written on."""

from __future__ import annotations

from typing import Any

from service.api.examples import Question

CONTINUATIONS_ANSWER: dict[str, Any] = {
    "model": "next-word-en",
    "version": 1,
    "continuations": [{"text": "the countess", "probability": 0.004, "finish_reason": "length"}],
}
CONTINUATIONS_STREAM = """\
event: word
data: {"index":0,"text":"the","probability":0.2}

event: word
data: {"index":0,"text":" countess","probability":0.02}

event: continuations
data: {"model":"next-word-en","version":1,"continuations":[{"text":"the countess","probability":0.004,"finish_reason":"length"}]}

"""
GENERATE_ANSWER: dict[str, Any] = {
    "model_name": "next-word-en",
    "model_version": "1",
    "text_output": "the countess with a",
}
GENERATE_STREAM = (
    Question("next-word-en", "the likeliest words", {"text_input": "the old prince looked at ", "parameters": {"max_tokens": 8}}),
    Question(
        "next-word-en",
        "drawn, and repeatable",
        {"id": "1", "text_input": "he said that", "parameters": {"max_tokens": 12, "temperature": 0.8, "seed": 1}},
    ),
)
GENERATE = (
    *GENERATE_STREAM,
    Question(
        "next-word-en",
        "the three best of a beam search, up to a full stop",
        {"text_input": "the old prince looked at ", "parameters": {"max_tokens": 8, "n": 3, "beams": 5, "stop": ["."]}},
    ),
)

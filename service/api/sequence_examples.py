"""A question for the docs page that begins a sequence; it may be asked again and again."""

from __future__ import annotations

from service.api.examples import Question

SEQUENCE = "typist-7"
BEGIN = Question(
    "next-word-en",
    "the first step of a sequence, whose state is kept",
    {
        "parameters": {"sequence_id": SEQUENCE, "sequence_start": True},
        "inputs": [{"name": "tokens", "datatype": "INT64", "shape": [1, 2], "data": [0, 3]}],
        "outputs": [{"name": "top_ids"}, {"name": "top_log_probs"}],
    },
)

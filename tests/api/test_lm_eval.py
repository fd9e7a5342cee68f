"""What lm-evaluation-harness asks (`local-completions` of lm-eval 0.4.13), body for body as recorded, and what it makes of the answers.

The package itself is not installed here: it brings hundreds of megabytes.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import httpx
import pytest

from .writers import TOKENIZER, WRITER, greedy, torch_log_probs

COMPLETIONS = "/openai/v1/completions"
END = TOKENIZER.end_id
Judged = tuple[float, bool]
"""Log-probability of a continuation, and whether each of its tokens was the likeliest."""


def judged(client: httpx.Client, prompt: Any, contexts: list[int]) -> list[Judged]:
    """What the harness makes of the answer, in which the context comes first and the one token that was written last."""
    body = {"model": "writer", "prompt": prompt, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}
    answer = client.post(COMPLETIONS, json=body)
    assert answer.status_code == 200, answer.text
    found = []
    for choice, context in zip(sorted(answer.json()["choices"], key=itemgetter("index")), contexts, strict=True):
        log_probs = choice["logprobs"]["token_logprobs"][context:-1]
        found.append((sum(log_probs), log_probs == [max(top.values()) for top in choice["logprobs"]["top_logprobs"][context:-1]]))
    return found


def told_by_torch(ids: list[int], context: int) -> Judged:
    read = ids if ids[0] == END else [END, *ids]
    log_probs = torch_log_probs(WRITER, read)
    own = range(len(read) - len(ids) + context, len(read))
    likeliest = [int(log_probs[place - 1].argmax()) == read[place] for place in own]
    return pytest.approx(sum(float(log_probs[place - 1, read[place]]) for place in own), abs=1e-4), all(likeliest)


@pytest.mark.parametrize(("ids", "context"), [([2, 6, 5, 4], 2), ([END, 2, 6], 1), ([7, 4, 2, 9, 3, 6, 5], 1)])
def test_a_continuation_is_as_likely_as_torch_says(writers: httpx.Client, ids: list[int], context: int):
    """Token ids of context and continuation, in a list also where it is one; behind an empty context stands the line end."""
    assert judged(writers, [ids], [context]) == [told_by_torch(ids, context)]


def test_a_continuation_of_the_likeliest_tokens_is_known_for_one(writers: httpx.Client):
    likeliest = [2, 6, *greedy([END, 2, 6], 3)]

    assert judged(writers, [likeliest], [2]) == [told_by_torch(likeliest, 2)]


def test_a_batch_of_several_lengths_is_answered_in_its_order(writers: httpx.Client):
    batch = [[2, 6, 5, 4, 2, 9], [2, 7], [2, 6, 5, 4, 2, 8, 3], [END, 5]]

    assert judged(writers, batch, [3, 1, 6, 1]) == [told_by_torch(ids, context) for ids, context in zip(batch, [3, 1, 6, 1], strict=True)]


@pytest.mark.parametrize(("text", "ids"), [("the cat sat on", [2, 6, 5, 4]), ("</s> the cat", [END, 2, 6])])
def test_a_text_is_judged_as_its_tokens(writers: httpx.Client, text: str, ids: list[int]):
    """With `tokenized_requests=False`."""
    assert judged(writers, text, [1]) == [told_by_torch(ids, 1)]


def test_a_text_is_written_on_up_to_what_the_harness_waits_for(writers: httpx.Client):
    asked = {"prompt": [[2, 6]], "model": "writer", "max_tokens": 8, "temperature": 0, "stop": ["\n", "Question:", "</s>"], "seed": 1234}
    [choice] = writers.post(COMPLETIONS, json=asked).json()["choices"]
    written = [token for token in greedy([END, 2, 6], 8) if token != END]

    assert TOKENIZER.encode(choice["text"]) == written

"""What a key costs a model of subwords: whole words are searched for once behind each text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.contract.golden import Tensors
from service.tasks.dialogue import converse
from service.tasks.language import Language
from service.tasks.memory import LruMemory, MemoryPool
from service.tasks.next_word import Choice, Suggestion, suggest
from tests import artifacts
from tests.subword_model import TOKENIZER, next_subword

TINY = next_subword()
MANIFEST = artifacts.manifest(TINY, "pieces", 1)
FORGETFUL = Language(MANIFEST, TOKENIZER)
DEFAULT = Choice()


class Graph:
    """What follows depends on every piece that was read; keeps the rows and the pieces of each run."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, ...]] = []
        self._scores = np.random.default_rng(3).normal(0, 4, (artifacts.HIDDEN, len(TOKENIZER))).astype(np.float32)
        self._pieces = np.random.default_rng(4).normal(0, 1, (len(TOKENIZER), artifacts.HIDDEN)).astype(np.float32)

    def __call__(self, inputs: Tensors) -> Tensors:
        self.runs.append(inputs["tokens"].shape)
        state = inputs["state_h"]  # (rows, 1, hidden)
        for tokens in inputs["tokens"].T:
            state = state * 0.5 + self._pieces[tokens][:, None]
        scores = state[:, 0] @ self._scores
        log_probs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        return {"log_probs": log_probs, "next_state_h": state, "next_state_c": inputs["state_c"]}


def remembering(limit_bytes: int = 10**7) -> Language:
    return Language(MANIFEST, TOKENIZER, LruMemory(MemoryPool(limit_bytes)))


def asked(language: Language, text: str, choice: Choice = DEFAULT) -> tuple[list[Suggestion], list[tuple[int, ...]]]:
    graph = Graph()
    return converse(suggest(language, text, choice), graph), graph.runs


def test_a_text_that_was_asked_before_costs_no_step():
    language = remembering()
    first = [asked(language, text) for text in ("the c", "the ca", "the 하", "the ")]

    again = [asked(language, text) for text in ("the c", "the ca", "the 하", "the ")]

    assert all(runs for _, runs in first)
    assert again == [(words, []) for words, _ in first]


def test_a_key_inside_a_word_reads_none_of_the_text_again():
    language = remembering()
    asked(language, "the cat sat on the ")

    _, runs = asked(language, "the cat sat on the c")

    assert {pieces for _, pieces in runs} == {1}
    assert runs == asked(FORGETFUL, "the cat sat on the c")[1][-len(runs) :]


def test_more_words_are_searched_for_anew_and_drawn_ones_are_drawn_from_what_was_found():
    language = remembering()
    asked(language, "the c", Choice(3))

    assert asked(language, "the c", Choice(4))[1]
    asked(language, "the c", Choice(3, temperature=1.0, seed=1))
    assert asked(language, "the c", Choice(3, temperature=0.5, seed=2))[1] == []


@settings(max_examples=10)  # each text is searched twice
@given(
    st.lists(st.text("cat 한하ㄴ.\n", max_size=6).map("the ".__add__), min_size=1, max_size=5),
    st.sampled_from([0, 3000, 20_000, 10**7]),
    st.integers(1, 20),
)
def test_answers_are_the_same_with_a_memory_and_without(texts: list[str], limit_bytes: int, top_k: int):
    language = remembering(limit_bytes)

    for text in texts * 2:
        found, _ = asked(language, text, Choice(top_k))
        plain, _ = asked(FORGETFUL, text, Choice(top_k))
        assert [one.probability for one in found] == pytest.approx([one.probability for one in plain], rel=1e-4, abs=1e-9)
        assert {one.word for one in found} == {one.word for one in plain}

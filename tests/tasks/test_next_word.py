from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.golden import Tensors
from service.contract.tokenizer import Context
from service.tasks.dialogue import QuestionError, converse
from service.tasks.next_word import (
    MAX_TOKENS,
    Choice,
    Continuation,
    Suggestion,
    continue_text,
    first_step,
    first_word,
    following_word,
    suggest,
)
from tests import artifacts

TINY = artifacts.next_word()
MANIFEST = artifacts.manifest(TINY, "tiny", 1)
TOKENIZER = TINY.tokenizer
assert TOKENIZER is not None
DEFAULT = Choice()
WORDS = TOKENIZER.words  # ("</s>", "<unk>", "the", ".", "on", "sat", "cat", "dog", "log", "mat")


class Recorder:
    """The tiny graph; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Tensors] = []

    def __call__(self, inputs: Tensors) -> Tensors:
        self.asked.append(inputs)
        return TINY.run(inputs)


def suggestions(text: str, choice: Choice = DEFAULT) -> list[Suggestion]:
    return converse(suggest(MANIFEST, TOKENIZER, text, choice), TINY.run)


def continuations(text: str, choice: Choice, words: int) -> list[Continuation]:
    return converse(continue_text(MANIFEST, TOKENIZER, text, choice, words=words), TINY.run)


def test_the_vocabulary_is_what_these_tests_think():
    assert WORDS == ("</s>", "<unk>", "the", ".", "on", "sat", "cat", "dog", "log", "mat")


def test_the_likeliest_word_comes_first():
    found = suggestions("the cat ")

    assert found[0].word == "dog"
    assert found[0].probability == pytest.approx(np.exp(5) / (np.exp(5) + 9), rel=1e-5)
    assert len(found) == 5
    assert [suggestion.probability for suggestion in found] == sorted((suggestion.probability for suggestion in found), reverse=True)


def test_special_tokens_are_never_suggested():
    assert {suggestion.word for suggestion in suggestions("", Choice(top_k=100))} == set(WORDS) - {"</s>", "<unk>"}


def test_a_word_being_typed_is_completed_among_its_completions():
    found = suggestions("the d")

    assert found == [Suggestion("dog", pytest.approx(1.0))]
    assert suggestions("the zzz") == []


def test_completions_share_all_of_the_probability():
    assert sum(suggestion.probability for suggestion in suggestions("the m")) == pytest.approx(1)


def test_a_long_text_is_read_from_its_last_tokens():
    recorder = Recorder()
    converse(suggest(MANIFEST, TOKENIZER, "the cat " * 100_000, Choice()), recorder)

    assert recorder.asked[0]["tokens"].shape == (1, MAX_TOKENS)


def test_states_begin_at_zero_with_the_shapes_of_the_manifest():
    inputs = first_step(MANIFEST, [Context((0, 2), ""), Context((0, 3), "")])

    assert inputs["tokens"].tolist() == [[0, 2], [0, 3]]
    assert {name: array.shape for name, array in inputs.items()} == {"tokens": (2, 2), "state_h": (2, 1, 2), "state_c": (2, 1, 2)}
    assert not inputs["state_h"].any()


def test_the_likeliest_continuation_follows_the_chain():
    found = continuations("the cat sat ", Choice(top_k=2), words=2)

    assert found[0].text == "cat dog"
    assert len(found) == 2
    assert found[0].probability > found[1].probability


def test_a_continuation_writes_the_word_being_typed_whole():
    [first, *_] = continuations("the cat sat o", Choice(top_k=3), words=2)

    assert first.text == "on sat"


def test_the_state_goes_on_by_name_and_follows_its_beam():
    recorder = Recorder()
    converse(continue_text(MANIFEST, TOKENIZER, "the ", Choice(top_k=2), words=3), recorder)

    first, second, third = recorder.asked
    after = TINY.run(first)
    np.testing.assert_array_equal(second["state_h"], np.repeat(after["next_state_h"], 2, axis=0))
    np.testing.assert_array_equal(second["state_c"], np.repeat(after["next_state_c"], 2, axis=0))
    assert third["state_c"].tolist() == [[[2, 2]], [[2, 2]]]
    halved = TINY.run(second)["next_state_h"][:, 0, 0].tolist()
    assert set(third["state_h"][:, 0, 0].tolist()) <= set(halved)


def test_beams_find_the_best_of_all_two_word_continuations():
    size = len(WORDS)
    log_probs = TINY.run(first_step(MANIFEST, [TOKENIZER.context("the ")]))
    totals = {}
    for one in range(2, size):
        state = {before: log_probs[after] for before, after in MANIFEST.state.items()}
        step = TINY.run({"tokens": np.array([[one]]), **state})["log_probs"][0]
        totals |= {f"{WORDS[one]} {WORDS[two]}": float(np.exp(log_probs["log_probs"][0][one] + step[two])) for two in range(2, size)}

    found = continuations("the ", Choice(top_k=size), words=2)

    assert found[0].probability == pytest.approx(max(totals.values()), rel=1e-5)


def test_no_completion_has_no_continuation():
    assert continuations("the zzz", Choice(), words=3) == []


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
def test_a_seed_draws_the_same_words_again(seed: int, temperature: float):
    choice = Choice(top_k=3, temperature=temperature, seed=seed)

    assert suggestions("the ", choice) == suggestions("the ", choice)
    assert continuations("the ", choice, 3) == continuations("the ", choice, 3)


def test_draws_follow_the_probabilities():
    drawn = [suggestions("the cat ", Choice(top_k=1, temperature=1.0, seed=seed))[0].word for seed in range(200)]

    assert 170 < drawn.count("dog") < 200


def test_a_model_of_another_task_says_so():
    other = artifacts.manifest(artifacts.classifier(), "digits", 1)

    with pytest.raises(QuestionError, match="digits does not predict words"):
        converse(suggest(other, TOKENIZER, "the ", Choice()), lambda _inputs: {"log_probs": np.zeros((1, 10))})


@pytest.mark.parametrize(
    ("text", "additions"),
    [
        ("the dog ", ["log", " mat"]),
        ("the dog o", ["n", " sat"]),
        ("the zebr", [" the", "."]),
        ("", [".", " on"]),
        ("the dog,", [" the", "."]),
    ],
)
def test_a_text_is_written_on_word_by_word(text: str, additions: list[str]):
    assert written(text) == additions


def test_words_are_drawn_with_the_generator_that_is_given():
    drawn = [written(text="the dog ", words=8, temperature=5, seed=seed) for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1] != drawn[2]


def written(text: str, *, words: int = 2, temperature: float | None = None, seed: int = 0) -> list[str]:
    """What each word adds to the text."""
    generator = np.random.default_rng(seed)
    last = converse(first_word(MANIFEST, TOKENIZER, text, temperature, generator), TINY.run)
    additions = [last.addition]
    for _ in range(words - 1):
        last = converse(following_word(MANIFEST, TOKENIZER, last, temperature, generator), TINY.run)
        additions.append(last.addition)
    return additions

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.golden import Tensors
from service.contract.jamo import typed_letters
from service.contract.tokenizer import WordTokenizer
from service.tasks.dialogue import QuestionError, converse
from service.tasks.language import Language
from service.tasks.next_word import Choice, Suggestion, suggest
from tests import artifacts
from tests.subword_model import next_subword

TINY = artifacts.next_word()
MANIFEST = artifacts.manifest(TINY, "tiny", 1)
TOKENIZER = TINY.tokenizer
assert TOKENIZER is not None
LANGUAGE = Language(MANIFEST, TOKENIZER)
SUBWORDS = next_subword()
assert SUBWORDS.tokenizer is not None
OF_SUBWORDS = Language(artifacts.manifest(SUBWORDS, "pieces", 1), SUBWORDS.tokenizer)
DEFAULT = Choice()
WORDS = TOKENIZER.words  # ("</s>", "<unk>", "the", ".", "on", "sat", "cat", "dog", "log", "mat")


def suggestions(text: str, choice: Choice = DEFAULT) -> list[Suggestion]:
    return converse(suggest(LANGUAGE, text, choice), TINY.run)


def of_subwords(text: str, choice: Choice = DEFAULT) -> list[Suggestion]:
    return converse(suggest(OF_SUBWORDS, text, choice), SUBWORDS.run)


def test_the_vocabulary_is_what_these_tests_think():
    assert WORDS == ("</s>", "<unk>", "the", ".", "on", "sat", "cat", "dog", "log", "mat")


def test_the_likeliest_word_comes_first():
    found = suggestions("the cat ")

    assert found[0].word == "dog"
    assert found[0].probability == pytest.approx(np.exp(5 / 3) / (np.exp(5 / 3) + 9), rel=1e-5)
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


def test_a_syllable_still_being_composed_is_completed():
    tokenizer = WordTokenizer.train(["가 각 가가 나 하 한국 하늘 하키"], vocabulary=10)
    language = Language(MANIFEST, tokenizer)

    def words(text: str) -> set[str]:
        return {suggestion.word for suggestion in converse(suggest(language, text, Choice(top_k=10)), TINY.run)}

    assert words("나 각") == {"각", "가가"}
    assert words("나 한") == words("나 하ㄴ") == {"한국", "하늘"}
    assert words("나 핰") == {"하키"}
    assert words("나 ㅎ") == {"하", "한국", "하늘", "하키"}


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
def test_a_seed_draws_the_same_words_again(seed: int, temperature: float):
    choice = Choice(top_k=3, temperature=temperature, seed=seed)

    assert suggestions("the ", choice) == suggestions("the ", choice)


def test_draws_follow_the_probabilities():
    drawn = [suggestions("the cat ", Choice(top_k=1, temperature=1.0, seed=seed))[0].word for seed in range(200)]

    assert 60 < drawn.count("dog") < 110


def test_drawn_words_come_in_the_order_of_the_draw():
    found = [suggestions("the ", Choice(top_k=8, temperature=5.0, seed=seed)) for seed in range(20)]

    assert {frozenset(suggestion.word for suggestion in words) for words in found} == {frozenset(WORDS[2:])}
    assert len({words[0].word for words in found}) > 3


@given(st.lists(st.sampled_from([-np.inf, -9.0, -2.5, -2.0, -1.0]), min_size=10, max_size=10), st.integers(1, 10))
def test_a_few_words_are_the_first_of_many(log_probs: list[float], few: int):
    def run(inputs: Tensors) -> Tensors:
        return {**TINY.run(inputs), "log_probs": np.array([log_probs], np.float32)}

    many = converse(suggest(LANGUAGE, "the ", Choice(top_k=100)), run)

    assert converse(suggest(LANGUAGE, "the ", Choice(top_k=few)), run) == many[:few]


def test_a_model_of_another_task_says_so():
    other = artifacts.manifest(artifacts.classifier(), "digits", 1)

    with pytest.raises(QuestionError, match="digits does not predict words"):
        converse(suggest(replace(LANGUAGE, manifest=other), "the ", DEFAULT), lambda _inputs: {"log_probs": np.zeros((1, 10))})


def test_a_model_of_subwords_suggests_whole_words():
    found = of_subwords("the cat ", Choice(top_k=8))

    assert len(found) == 8
    assert not any("▁" in suggestion.word for suggestion in found)
    assert [suggestion.probability for suggestion in found] == sorted((suggestion.probability for suggestion in found), reverse=True)


def test_a_model_of_subwords_completes_the_word_being_typed():
    words = {suggestion.word for suggestion in of_subwords("the ca", Choice(top_k=20))}

    assert "cat" in words
    assert all(word.startswith("ca") for word in words)
    assert {"한국"} <= {suggestion.word for suggestion in of_subwords("the 하ㄴ", Choice(top_k=20))}


@pytest.mark.parametrize("typed", ["ㅎ", "하", "한", "한ㄱ", "한구", "한국"])
def test_a_word_of_pieces_is_found_at_each_of_its_letters(typed: str):
    found = of_subwords(f"the {typed}", Choice(top_k=100))

    assert "한국" in {suggestion.word for suggestion in found}
    assert all(typed_letters(suggestion.word).startswith(typed_letters(typed)) for suggestion in found)


def test_words_of_subwords_are_drawn_too():
    choice = Choice(top_k=2, temperature=2.0, seed=1)

    assert of_subwords("the ", choice) == of_subwords("the ", choice)
    assert len({of_subwords("the ", replace(choice, seed=seed))[0].word for seed in range(10)}) > 1


def test_only_the_end_of_a_long_text_is_read():
    read: list[int] = []

    def run(inputs: Tensors) -> Tensors:
        read.append(inputs["tokens"].size)
        return TINY.run(inputs)

    converse(suggest(LANGUAGE, "the cat " * 100_000, DEFAULT), run)

    assert sum(read) <= 4096

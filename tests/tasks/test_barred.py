"""Words that are not written, whole or put together of pieces."""

from __future__ import annotations

from service.contract.apostrophes import either_spelling
from service.contract.tokenizer import END, UNKNOWN, WordTokenizer
from service.tasks.barred import Barred
from service.tasks.hidden import Hidden
from tests import artifacts
from tests.subword_model import TOKENIZER as PIECES

WORDS = artifacts.next_word().tokenizer
assert WORDS is not None


def barred(*words: str) -> Barred:
    found = Barred.of(PIECES, Hidden(frozenset(words)))
    assert found is not None
    return found


def pieces(found: list[int]) -> set[str]:
    return {PIECES.words[number] for number in found}


def ids(*found: str) -> list[int]:
    return [PIECES.words.index(piece) for piece in found]


def test_nothing_is_barred_where_nothing_is_hidden():
    assert Barred.of(WORDS, Hidden()) is None
    assert Barred.of(WORDS, Hidden(denied=frozenset({"cat"}), allowed=frozenset({"cat"}))) is None


def test_a_word_that_is_being_typed_may_stand_with_either_apostrophe():
    tokenizer = WordTokenizer({END: 0, UNKNOWN: 1, "don’t": 2, "it’s": 3})
    found = Barred.of(tokenizer, Hidden(either_spelling(["don't", "it’s"])))
    assert found is not None

    assert found.behind([], "don't") == found.behind([], "don’t") == [3]


def test_tokens_that_are_hidden_words_are_barred_but_for_the_one_that_is_being_typed():
    found = Barred.of(WORDS, Hidden(frozenset({"cat", "dog", "zebra"}), denied=frozenset({"."}), allowed=frozenset({"dog"})))
    assert found is not None

    assert {WORDS.words[number] for number in found.behind([], "")} == {"cat", "."}
    assert {WORDS.words[number] for number in found.behind([], "cat")} == {"."}


def test_a_word_of_pieces_may_not_end_where_it_is_hidden():
    assert pieces(barred("cats").behind(ids("▁the", "▁cat", "s"), "")) >= {"▁the", ",", "</s>", "▁"}
    assert not pieces(barred("cats").behind(ids("▁the", "▁cat", "s"), "")) & {"s", "a", "한"}
    assert barred("cats").behind(ids("▁the", "▁cat"), "") == []
    assert barred("cats").behind(ids("▁cat", "s", "▁the"), "") == []
    assert barred("cats").behind(ids("▁cat", "s", ","), "") == []
    assert barred("cats").behind(ids(",", "▁", "c", "at", "s"), "") != []
    assert barred("cats").behind(ids("cat", "s"), "") != []  # behind an opening bracket
    assert barred("cats").behind(ids("▁cat", "s"), "cats") == []


def test_marks_are_barred_as_they_are():
    assert pieces(barred(",").behind([], "")) == {","}

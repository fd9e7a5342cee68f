from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.apostrophes import forms_of_either
from service.contract.golden import Tensors
from service.contract.tokenizer import END, UNKNOWN, WordTokenizer
from service.tasks.dialogue import converse
from service.tasks.hidden import Hidden
from service.tasks.language import Language
from service.tasks.next_word import Choice, Suggestion, suggest
from service.tasks.shown import Cursor, base_forms_first, show, written
from tests import artifacts

PLAIN = artifacts.next_word()
# of two words that are as likely as each other, the one with the lower id is now a little likelier
SLOPE = -0.1 * np.arange(len(PLAIN.constants["table"]), dtype=np.float32)
TINY = replace(PLAIN, constants={**PLAIN.constants, "table": PLAIN.constants["table"] + SLOPE})
assert TINY.tokenizer is not None
LANGUAGE = Language(artifacts.manifest(TINY, "tiny", 1), TINY.tokenizer)
FORMED = replace(LANGUAGE, forms={"cat": "Cat", "mat": "MAT"})
DEFAULT = Choice()


def words(text: str, language: Language = LANGUAGE, choice: Choice = DEFAULT, **manner: object) -> list[str]:
    return [one.word for one in converse(show(language, text, choice, **manner), TINY.run)]


def completions(**probabilities: float) -> list[Suggestion]:
    return [Suggestion(word, probability) for word, probability in probabilities.items()]


def ordered(found: list[Suggestion], typed: str = "w") -> list[str]:
    return [one.word for one in base_forms_first(found, typed)]


def test_words_that_are_denied_are_not_shown_and_others_come_in_their_place():
    assert words("the cat ", choice=Choice(3)) == ["dog", "the", "."]

    assert words("the cat ", choice=Choice(3), hidden=Hidden(frozenset({"dog", "."}))) == ["the", "on", "sat"]


def test_as_many_as_are_wanted_are_shown_however_many_are_hidden():
    hidden = Hidden(frozenset({"dog", "the", ".", "on", "sat", "cat", "log"}))

    assert words("the cat ", choice=Choice(1), hidden=hidden) == ["mat"]
    assert words("the cat ", choice=Choice(5), hidden=hidden) == ["mat"]


def test_what_the_service_hides_is_hidden_by_default():
    assert words("the cat ", replace(LANGUAGE, hidden=Hidden(frozenset({"dog"}))), Choice(1)) == ["the"]


def test_a_request_goes_before_the_service_and_allowing_before_denying():
    hidden = Hidden(frozenset({"a", "b"})).with_request(deny=["C", "D"], allow=["B", "d"])

    assert [word for word in "abcde" if word in hidden] == ["a", "c"]


def test_what_is_hidden_changes_no_probability():
    shown = converse(show(LANGUAGE, "the cat ", Choice(5), hidden=Hidden(frozenset({"the"}))), TINY.run)
    plain = converse(suggest(LANGUAGE, "the cat ", Choice(6)), TINY.run)

    assert shown == [one for one in plain if one.word != "the"]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (completions(walked=0.3, walking=0.2, walk=0.1), ["walk", "walked", "walking"]),
        (completions(walked=0.4, walk=0.1), ["walked", "walk"]),
        (completions(walk=0.4, walked=0.1), ["walk", "walked"]),
        (completions(want=0.3, walked=0.2, was=0.15, walk=0.1), ["want", "walk", "walked", "was"]),
        (completions(walkers=0.3, walker=0.2, walk=0.1), ["walk", "walker", "walkers"]),
        (completions(wonderfully=0.3, wonder=0.2), ["wonderfully", "wonder"]),
        (completions(wet=0.3, w=0.2), ["wet", "w"]),
    ],
    ids=[
        "before its forms",
        "not where one is much likelier",
        "as it was",
        "others stay",
        "of two lengths",
        "too long an ending",
        "no letter",
    ],
)
def test_a_base_form_stands_before_its_longer_forms(found: list[Suggestion], shown: list[str]):
    assert ordered(found) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the do", ["Don’t", "dog"]),
        ("the don'", ["Don't"]),
        ("the don’", ["Don’t"]),
        ("the DON'", ["DON'T"]),
        ("the dog it's", ["it's"]),
        ("it'", ["it's"]),
    ],
)
def test_words_are_shown_with_the_apostrophe_that_was_typed(text: str, shown: list[str]):
    words_of = {END: 0, UNKNOWN: 1, "the": 2, ".": 3, "on": 4, "sat": 5, "cat": 6, "dog": 7, "don’t": 8, "it’s": 9}
    language = replace(LANGUAGE, tokenizer=WordTokenizer(words_of), forms=forms_of_either({"don’t": "Don’t"}))

    assert sorted(words(text, language)) == shown


def test_what_is_typed_already_is_not_brought_forward():
    assert ordered(completions(walked=0.3, walk=0.2), typed="walk") == ["walked", "walk"]


def test_only_completions_are_put_in_that_order():
    assert ordered(completions(walked=0.3, walk=0.2), typed="") == ["walked", "walk"]


@given(
    st.lists(st.tuples(st.text("ab", min_size=1, max_size=6), st.floats(0.001, 1)), unique_by=lambda pair: pair[0]),
    st.text("ab", max_size=2),
)
def test_base_forms_first_loses_and_adds_nothing(pairs: list[tuple[str, float]], typed: str):
    found = sorted((Suggestion(*pair) for pair in pairs), key=lambda one: -one.probability)

    assert sorted(ordered(found, typed)) == sorted(one.word for one in found)


@pytest.mark.parametrize(
    ("text", "typed", "opens"),
    [
        ("", "", True),
        ("   ", "", True),
        ("He said. ", "", True),
        ("He said.", "", False),
        ("He said.” ", "", True),
        ("He asked: “", "", False),
        ("He went. “", "", True),
        ("Really?! (", "", True),
        ("one line\n", "", True),
        ("one line\n\t“Wa", "Wa", True),
        ("he said, ", "", False),
        ("he walk", "walk", False),
        ("End. Wal", "Wal", True),
        ("example.com", "com", False),
        ("x" * 300 + " wal", "wal", False),
        ("그는 갔", "갔", False),
    ],
)
def test_the_cursor_knows_what_is_typed_and_whether_a_sentence_begins(text: str, typed: str, opens: bool):
    assert Cursor.behind(text) == Cursor(typed, opens)


@pytest.mark.parametrize(
    ("word", "text", "shown"),
    [
        ("pierre", "dear ", "Pierre"),
        ("i", "and ", "I"),
        ("walk", "they ", "walk"),
        ("walk", "", "Walk"),
        ("walk", "Stop. ", "Walk"),
        ("walk", "they wa", "walk"),
        ("walk", "they Wa", "Walk"),
        ("walk", "they WA", "WALK"),
        ("walk", "they W", "Walk"),
        ("i'm", "I'", "I'm"),
        ("iphone", "", "IPhone"),
        ("walk", "Stop. wa", "walk"),
        ("걸어", "그는 ", "걸어"),
    ],
)
def test_a_word_is_written_as_it_mostly_is_and_as_its_place_wants(word: str, text: str, shown: str):
    assert written(word, Cursor.behind(text), {"pierre": "Pierre", "i": "I", "i'm": "I'm", "iphone": "iPhone"}) == shown


def test_a_model_with_forms_shows_them():
    assert words("on the ca", FORMED) == ["Cat"]
    assert words("on the log ", FORMED, Choice(1)) == ["MAT"]
    assert words("cat. DO", FORMED) == ["DOG"]
    assert "The" in words("", FORMED, Choice(100))


def test_a_model_without_forms_answers_in_lower_case():
    assert words("cat. DO") == ["dog"]
    assert "the" in words("", choice=Choice(100))


def test_nothing_more_is_asked_of_the_model_where_nothing_is_to_be_done():
    runs: list[Tensors] = []

    def run(inputs: Tensors) -> Tensors:
        runs.append(inputs)
        return TINY.run(inputs)

    shown = converse(show(LANGUAGE, "the cat ", DEFAULT), run)
    shown_runs = len(runs)

    assert shown == converse(suggest(LANGUAGE, "the cat ", DEFAULT), run)
    assert shown_runs == len(runs) / 2


def test_drawn_words_keep_their_order():
    drawn = Choice(top_k=3, temperature=2.0, seed=3)

    assert words("the ", FORMED, drawn) == [
        FORMED.forms.get(one.word, one.word) for one in converse(suggest(LANGUAGE, "the ", drawn), TINY.run)
    ]

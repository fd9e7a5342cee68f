from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.personal.hearing import Gram, Heard, finished_part, grams, hear, last_grams, words_before


def chains(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for heard in hear(text).words:
        if heard is None:
            found.append([])
        else:
            found[-1].append(heard.word)
    return [chain for chain in found if chain]


def spelled(found: list[Gram]) -> list[str]:
    return [" ".join(filter(None, (gram.before2, gram.before1, gram.heard.word))) for gram in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("The old prince", [["the", "old", "prince"]]),
        ("He came, “slowly”. She went", [["he", "came", "slowly"], ["she", "went"]]),
        ("one\ntwo", [["one"], ["two"]]),
        ("well-known man—who", [["well", "known", "man", "who"]]),
        ("write bob@example.com today", [["write"], ["today"]]),
        ("call 555-1234 now", [["call"], ["now"]]),
        ("my password is sesam\nyes", [["my", "password"], ["yes"]]),
        ("PIN: apple", [["pin"]]),
        ("Password:\n\nsesam apple\nyes", [["password"], ["yes"]]),
        ("I forgot my password\nyes", [["i", "forgot", "my", "password"], ["yes"]]),
        ("pw sesam", [["pw"]]),
        ("비밀번호는 사과", [["비밀번호는"]]),
        ("GB29 NWBK 6016 of the bank", [["of", "the", "bank"]]),
        ("NASA has 3 rockets", [["nasa", "has"], ["rockets"]]),
    ],
)
def test_a_text_is_heard_as_chains_of_words(text: str, expected: list[list[str]]):
    assert chains(text) == expected


def test_what_is_passed_over_is_counted():
    assert hear("write bob@example.com or 555 now").passed_over == 2


def test_a_form_is_telling_but_at_the_start_of_a_sentence():
    assert hear("Dear Pierre. Oh").words == [
        None,
        Heard("dear", "Dear", telling=False),
        Heard("pierre", "Pierre", telling=True),
        None,
        Heard("oh", "Oh", telling=False),
    ]


def test_each_word_is_counted_alone_and_behind_one_and_two_words():
    assert spelled(list(grams(hear("the old prince. he").words))) == [
        "the",
        "old",
        "the old",
        "prince",
        "old prince",
        "the old prince",
        "he",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the old prince ", ["prince", "old prince", "the old prince"]),
        ("the old prince\n", ["prince", "old prince", "the old prince"]),
        ("prince ", ["prince"]),
        ("the old prince", []),
        ("the old prince.", []),
        ("the old “prince.” ", ["prince", "old prince", "the old prince"]),
        ("the old prince ... ", ["prince", "old prince", "the old prince"]),
        ("write bob@example.com ", []),
        ("the password is sesam ", []),
        ("Password:\nsesam ", []),
        ("it is 5 ", []),
        ("", []),
    ],
)
def test_only_a_word_that_a_space_has_finished_is_the_last_word(text: str, expected: list[str]):
    assert spelled(last_grams(finished_part(text))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the old pri", ("old", "the")),
        ("the old ", ("old", "the")),
        ("old ", ("old",)),
        ("He went. ", ()),
        ("bob@example.com ", ()),
        ("", ()),
        ("word " * 1000 + "the old ", ("old", "the")),
    ],
)
def test_the_words_before_the_cursor_are_those_of_its_chain(text: str, expected: tuple[str, ...]):
    assert words_before(text) == expected


@given(st.text(max_size=60))
def test_whatever_is_typed_only_letters_and_apostrophes_are_heard(text: str):
    for heard in hear(text).words:
        assert heard is None or all(letter.isalpha() or letter in "'’" for letter in heard.form)

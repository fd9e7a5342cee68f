"""Generated text in the letters that people write it in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.forms import lower
from service.tasks.casing import Casing

FORMS = {"pierre": "Pierre", "i": "I", "i’m": "I’m", "us": "US", "iphone": "iPhone", "pierre’s": "Pierre’s", "i̇zmir": "İzmir"}
LETTERS = st.text(st.sampled_from([*"iuspax ,.’'3²_\n“(한ㅋ", " ", "\u0301"]), max_size=24).map(lower)


def shown(text: str, added: str) -> str:
    return Casing.behind(text, FORMS).shown(added, ended=True)[0]


@pytest.mark.parametrize(
    ("text", "added", "expected"),
    [
        ("dear ", "pierre, i’m", "Pierre, I’m"),
        ("", "the old iphone", "The old iPhone"),
        ("", "iphone", "IPhone"),
        ("He left.", " the. i", " The. I"),
        ("He left.\n", "the", "The"),
        ("She said: ", "“the", "“the"),
        ("She left. ", "“the", "“The"),
        ("let ", "us go", "US go"),
        ("dear p", "ierre went", "ierre went"),
        ("dear Pi", "erre’s", "erre’s"),
        ("WA", "lk on", "LK on"),
        ("Stra", "ße", "ße"),
        ("STRA", "ße", "ße"),
        ("the 3", "rd i", "rd I"),
        ("in ", "i̇zmir", "İzmir"),
        ("in i̇", "zmir", "zmir"),
        ("", "cafe\u0301s", "Cafe\u0301s"),
        ("그는 ", "pierre를", "pierre를"),
        ("x" * 300, " i", " I"),
    ],
)
def test_words_are_written_as_those_that_are_suggested(text: str, added: str, expected: str):
    assert shown(text, added) == expected


def test_a_word_waits_until_it_has_ended():
    beginning, casing = Casing.behind("", FORMS).shown("pi", ended=False)
    more, casing = casing.shown("erre", ended=False)
    word, casing = casing.shown(", i", ended=False)
    last, _ = casing.shown("", ended=True)

    assert [beginning, more, word, last] == ["", "", "Pierre, ", "I"]


def test_letters_that_have_no_capitals_do_not_wait():
    assert Casing.behind("", FORMS).shown("한국", ended=False)[0] == "한국"


@pytest.mark.parametrize(
    ("text", "added", "typed"),
    [
        ("dear pi", "erre went", "Pi"),
        ("dear PI", "ERRE", "PI"),
        ("", "the", ""),
        ("the zebr", " the", "zebr"),
        ("the Zebr", " the", "Zebr"),
        ("pierre", "", "Pierre"),
        ("dear i", "’m", "I"),
        ("in İz", "mir", "İz"),
    ],
)
def test_letters_that_were_typed_are_those_of_their_word(text: str, added: str, typed: str):
    assert Casing.behind(text, FORMS).typed(added) == typed


@given(LETTERS, st.lists(LETTERS, max_size=6))
def test_parts_are_shown_as_the_whole_is_and_only_capitals_are_new(text: str, parts: list[str]):
    casing, pieces = Casing.behind(text, FORMS), []
    for part in parts:
        piece, casing = casing.shown(part, ended=False)
        pieces.append(piece)
    pieces.append(casing.shown("", ended=True)[0])
    whole = "".join(parts)

    assert "".join(pieces) == shown(text, whole)
    assert lower("".join(pieces)) == lower(whole)

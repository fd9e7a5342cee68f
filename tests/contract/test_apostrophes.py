from __future__ import annotations

import pytest

from service.contract.apostrophes import by_spelling, either_spelling, forms_of_either, spelled_as_typed


@pytest.mark.parametrize(
    ("word", "letters", "spelled"),
    [
        ("don’t", "don'", "don't"),
        ("don't", "don’t", "don’t"),
        ("don’t", "do", "don’t"),
        ("l’homme’s", "l'h", "l'homme's"),
        ("l'a’b", "l'a", "l'a’b"),
        ("l'a'b", "l'a’", "l’a’b"),
        ("l’a’b", "l’a'", "l'a'b"),
    ],
)
def test_a_word_has_the_apostrophe_that_was_typed_last(word: str, letters: str, spelled: str):
    assert spelled_as_typed(word, letters) == spelled


def test_words_that_differ_in_apostrophes_alone_are_apart():
    assert by_spelling(["cat", "don't", "it’s", "don’t", "o'er"]) == ({"it’s": 2, "o’er": 4}, frozenset({1, 3}))


def test_lists_of_words_hold_for_either_apostrophe():
    assert either_spelling(["cat", "don't", "l’a'b"]) == {"cat", "don't", "don’t", "l’a'b", "l'a'b", "l’a’b"}


def test_forms_hold_for_either_apostrophe_unless_each_has_its_own():
    assert forms_of_either({"i’ll": "I’ll", "pierre": "Pierre"}) == {"i’ll": "I’ll", "i'll": "I'll", "pierre": "Pierre"}
    assert forms_of_either({"i’ll": "I’ll", "i'll": "I'LL"}) == {"i’ll": "I’ll", "i'll": "I'LL"}

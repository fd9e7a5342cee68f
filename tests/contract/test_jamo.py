from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.jamo import typed_letters
from service.contract.tokenizer import WordTokenizer

LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = [*"ㅏㅐㅑㅒㅓㅔㅕㅖㅗ", "ㅗㅏ", "ㅗㅐ", "ㅗㅣ", *"ㅛㅜ", "ㅜㅓ", "ㅜㅔ", "ㅜㅣ", *"ㅠㅡ", "ㅡㅣ", "ㅣ"]
WITH_R = ["ㄹㄱ", "ㄹㅁ", "ㄹㅂ", "ㄹㅅ", "ㄹㅌ", "ㄹㅍ", "ㄹㅎ"]
TAILS = ["", *"ㄱㄲ", "ㄱㅅ", "ㄴ", "ㄴㅈ", "ㄴㅎ", *"ㄷㄹ", *WITH_R, *"ㅁㅂ", "ㅂㅅ", *"ㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
DOUBLE_VOWELS = {"ㅗㅏ": "ㅘ", "ㅗㅐ": "ㅙ", "ㅗㅣ": "ㅚ", "ㅜㅓ": "ㅝ", "ㅜㅔ": "ㅞ", "ㅜㅣ": "ㅟ", "ㅡㅣ": "ㅢ"}
KEYS = [*LEADS, *(vowel for vowel in VOWELS if len(vowel) == 1)]
HANGUL = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)


def screen(keys: str) -> str:
    """What the two-set keyboard shows after these keys."""
    shown, lead, vowel, tail = "", "", "", ""
    for key in keys:
        if key in LEADS:
            if lead and vowel and tail + key in TAILS:
                tail += key
            else:
                shown, lead, vowel, tail = shown + block(lead, vowel, tail), key, "", ""
        elif tail:  # the consonant that ended the syllable begins the next one
            shown, lead, vowel, tail = shown + block(lead, vowel, tail[:-1]), tail[-1], key, ""
        elif vowel + key in VOWELS:
            vowel += key
        else:
            shown, lead, vowel = shown + block(lead, vowel, tail), "", key
    return shown + block(lead, vowel, tail)


def block(lead: str, vowel: str, tail: str) -> str:
    if lead and vowel:
        return chr(0xAC00 + (LEADS.index(lead) * 21 + VOWELS.index(vowel)) * 28 + TAILS.index(tail))
    return lead + DOUBLE_VOWELS.get(vowel, vowel)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("각", "ㄱㅏㄱ"),
        ("가가", "ㄱㅏㄱㅏ"),
        ("하ㄴ", "ㅎㅏㄴ"),
        ("핰", "ㅎㅏㅋ"),
        ("과", "ㄱㅗㅏ"),
        ("값이", "ㄱㅏㅂㅅㅇㅣ"),
        ("까있", "ㄲㅏㅇㅣㅆ"),
        ("ㅘㄳ", "ㅗㅏㄱㅅ"),
        ("의ㅢ", "ㅇㅡㅣㅡㅣ"),
        ("\u1112\u1161\u11ab", "ㅎㅏㄴ"),
    ],
)
def test_syllables_are_the_keys_that_are_typed_for_them(text: str, letters: str):
    assert typed_letters(text) == letters


@pytest.mark.parametrize("text", ["", "walk", "café", "cafe\u0301", "Привет", "日本", "▁3.50"])
def test_other_scripts_stay_as_they_are(text: str):
    assert typed_letters(text) == text


@given(st.text(st.sampled_from(KEYS), max_size=12))
def test_what_the_screen_shows_gives_the_keys_back(keys: str):
    assert typed_letters(screen(keys)) == keys


@given(st.text(HANGUL, min_size=1, max_size=5))
def test_all_that_is_shown_while_a_word_is_typed_begins_the_word(word: str):
    keys = typed_letters(word)
    tokenizer = WordTokenizer.train([word], vocabulary=10)

    assert screen(keys) == word
    for typed in range(1, len(keys) + 1):
        assert tokenizer.completions(screen(keys[:typed])).tolist() == [2]


@given(st.text(HANGUL | st.sampled_from("ab ▁"), max_size=6), st.text(HANGUL, max_size=6))
def test_letters_of_two_texts_are_those_of_the_one_and_then_of_the_other(first: str, second: str):
    assert typed_letters(first + second) == typed_letters(first) + typed_letters(second)


@given(st.text(HANGUL | st.characters(codec="ascii"), max_size=8))
def test_composed_and_decomposed_text_has_the_same_letters(text: str):
    assert typed_letters(unicodedata.normalize("NFD", text)) == typed_letters(text)

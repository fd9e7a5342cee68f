"""The simulated typist, and the lines that it is given."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.next_word.datasets import Dataset, Line, find, lines_to_type
from benchmarks.next_word.keyboard import screen
from benchmarks.next_word.ngram import NGram
from benchmarks.next_word.typist import Typed, type_all, type_line
from service.contract.jamo import typed_letters

KEYS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣ"
HANGUL = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)


def silent(_text: str) -> list[str]:
    return []


def test_without_suggestions_each_character_and_the_line_end_is_a_key():
    assert type_line(Line("", "Well, I see."), silent) == Typed(keys=13, unaided=13, words=3, foreseen=0)


def test_a_word_that_is_shown_at_once_costs_one_key_with_the_space_behind_it():
    assert type_line(Line("", "hello world"), lambda _text: ["hello", "world"]) == Typed(keys=3, unaided=12, words=2, foreseen=2)


def test_a_word_is_taken_as_soon_as_it_is_shown():
    asked = []

    def suggest(text: str) -> list[str]:
        asked.append(text)
        return ["hello"] if text.endswith("he") else []

    assert type_line(Line("before\n", "Oh hello!"), suggest).keys == 2 + 1 + 3 + 1 + 1  # oh, space, h e take, mark, line end
    assert asked == ["before\n", "before\nO", "before\nOh ", "before\nOh h", "before\nOh he"]


def test_what_saves_no_key_is_typed():
    assert type_line(Line("", "a b"), lambda _text: ["a", "b"]) == Typed(keys=3, unaided=4, words=2, foreseen=2)


def test_a_korean_syllable_is_as_many_keys_as_it_has_letters():
    assert type_line(Line("", "값이 싸다."), silent) == Typed(keys=13, unaided=13, words=2, foreseen=0)  # 4 2, space, 2 2, mark, line end


def test_words_are_shown_for_a_syllable_that_is_still_being_composed():
    asked = []

    def suggest(text: str) -> list[str]:
        asked.append(text)
        return ["하늘이"] if text.endswith("하느") else []

    assert type_line(Line("", "내 하늘이 "), suggest).keys == 2 + 1 + 4 + 1 + 1  # 내, space, ㅎㅏㄴㅡ, take, line end
    assert asked == ["", "ㄴ", "내 ", "내 ㅎ", "내 하", "내 한", "내 하느"]


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("ㄱㅏㄱ", "각"),
        ("ㄱㅏㄱㅏ", "가가"),
        ("ㄱㅏㅂㅅㅇㅣ", "값이"),
        ("ㄱㅏㅂㅅㅣ", "갑시"),
        ("ㅇㅗㅐㅋㅋ", "왴ㅋ"),
        ("ㅗㅏㅠㅠ", "ㅘㅠㅠ"),
        ("ㅎㅏㄴ tvㄹㅡㄹ 3ㄱㅐ", "한 tv를 3개"),
    ],
)
def test_keys_are_composed_into_syllables(keys: str, shown: str):
    assert screen(keys) == shown


@given(st.text(st.sampled_from(KEYS + "a ."), max_size=12))
def test_the_screen_has_the_letters_of_its_keys(keys: str):
    assert typed_letters(screen(keys)) == keys


@given(st.text(HANGUL, max_size=5))
def test_syllables_are_on_the_screen_once_their_letters_are_typed(text: str):
    assert screen(typed_letters(text)) == text


def test_keys_are_added_up():
    typed = type_all([Line("", "hello world"), Line("", "other")], lambda _text: ["hello", "world"])
    assert typed == Typed(keys=9, unaided=18, words=3, foreseen=2)
    assert typed.saved == 0.5
    assert typed.foreseen_share == pytest.approx(2 / 3)


@pytest.mark.parametrize(("settings", "before"), [({"documents": "blank-line"}, "three\n"), ({}, "two\nthree\n")])
def test_lines_stand_behind_those_before_them_in_their_document(tmp_path: Path, settings: dict[str, str], before: str):
    test = tmp_path / "test.txt.gz"
    test.write_bytes(gzip.compress(b"one\ntwo\n\nthree\nfour\n"))
    dataset = Dataset("letters", test, test, test, settings, known_words=10, lines_before=2)
    lines = lines_to_type(dataset, 99)
    assert [line.text for line in lines] == ["one", "two", "three", "four"]
    assert (lines[0].before, lines[-1].before) == ("", before)
    assert lines_to_type(dataset, 2) == lines_to_type(dataset, 2)


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"wap\.train\.txt\.gz is not there"):
        find("war_and_peace", tmp_path)
    with pytest.raises(ValueError, match="no data set 'novel': war_and_peace, sgd, nsmc"):
        find("novel", tmp_path)


SCRIPT = """
import re
import numpy as np
ORDER, TOK = 1, re.compile(r"\\w+")
def load(path): return [["하늘", "한국", "하늘", "the"]]
def enc(sentences, ids): return np.array([ids[word] for word in sentences[0]])
class MKN:
    def __init__(self, tokens, size): self.p1 = np.bincount(tokens, minlength=size) / len(tokens)
"""
"""A model of single words with the names that the n-gram model's script has."""


def test_the_rival_completes_a_syllable_that_is_still_being_composed(tmp_path: Path):
    (tmp_path / "mkn.py").write_text(SCRIPT)
    rival = NGram(Dataset("letters", tmp_path, tmp_path, tmp_path, {}, known_words=10, lines_before=2), tmp_path / "mkn.py")

    assert [rival.suggest(text) for text in ("ㅎ", "한", "하느", "핝")] == [["하늘", "한국"], ["하늘", "한국"], ["하늘"], []]
    assert rival.suggest("한국 ") == ["하늘", "한국", "the"]


def test_without_its_script_there_is_no_n_gram_model(tmp_path: Path):
    dataset = Dataset("letters", tmp_path, tmp_path, tmp_path, {}, known_words=10, lines_before=2)
    with pytest.raises(FileNotFoundError, match=r"mkn\.py is not there"):
        NGram(dataset, tmp_path / "mkn.py")

"""The simulated typist, and the lines that it is given."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from benchmarks.next_word.datasets import Dataset, Line, find, lines_to_type
from benchmarks.next_word.ngram import NGram
from benchmarks.next_word.typist import Typed, type_all, type_line


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


def test_without_its_script_there_is_no_n_gram_model(tmp_path: Path):
    dataset = Dataset("letters", tmp_path, tmp_path, tmp_path, {}, known_words=10, lines_before=2)
    with pytest.raises(FileNotFoundError, match=r"mkn\.py is not there"):
        NGram(dataset, tmp_path / "mkn.py")

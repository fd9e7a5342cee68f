from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from service.contract import subword_file, subwords
from service.contract.manifest import ArtifactError
from service.contract.subwords import SubwordTokenizer
from service.contract.tokenizer import END, UNKNOWN, WordTokenizer
from tests.subword_model import LINES, TOKENIZER

LETTERS = st.characters(max_codepoint=0x9FFF, exclude_categories=("Cc", "Cn", "Cs")) | st.characters(
    min_codepoint=0xAC00, max_codepoint=0xD7A3
)
TEXTS = st.text(LETTERS, max_size=30) | st.lists(
    st.sampled_from(["the", " ", "cat", ",", "'", "한국", "▁", "<unk>", "</s>", "<0x41>", "😀"])
).map("".join)


WHOLE = Tokenizer.from_str(TOKENIZER.to_json())


def pieces(ids: list[int] | np.ndarray) -> list[str]:
    return [TOKENIZER.words[number] for number in ids]


def normal(line: str) -> str:
    """A line as a tokenizer reads it: NFC, lower case letter by letter, one space for a run of blanks."""
    return re.sub(r"[\s▁]+", " ", "".join(map(str.lower, unicodedata.normalize("NFC", line)))).strip(" ")


@given(TEXTS)
def test_no_text_is_unknown_and_a_decoded_one_is_what_was_encoded(text: str):
    ids = TOKENIZER.encode(text)

    assert TOKENIZER.unknown_id not in ids
    assert TOKENIZER.end_id not in ids
    assert TOKENIZER.decode(ids) == normal(text)
    assert TOKENIZER.encode(TOKENIZER.decode(ids)) == ids


def test_words_that_came_often_are_one_piece_and_others_are_several():
    assert pieces(TOKENIZER.encode("The  cat,")) == ["▁the", "▁cat", ","]
    assert pieces(TOKENIZER.encode("ttt")) == ["▁", "t", "t", "t"]
    assert pieces(TOKENIZER.encode("é")) == ["▁", "<0xC3>", "<0xA9>"]


def test_no_piece_goes_beyond_a_word_or_a_mark():
    inside = [piece for piece in TOKENIZER.words[258:] if re.search(r".▁|[^▁]+[^\w▁'’.,:]|\w[(),!]", piece)]

    assert inside == []


def test_the_same_lines_give_the_same_pieces():
    again = SubwordTokenizer.train(LINES * 4, vocabulary=380)

    assert again.words == TOKENIZER.words
    assert again.to_json() == TOKENIZER.to_json()
    assert len(again) <= 380


def test_rare_characters_are_left_to_the_bytes():
    tokenizer = SubwordTokenizer.train(["the cat sat on the mat"] * 1000 + ["ξ"], vocabulary=400)

    assert "ξ" not in tokenizer.words
    assert tokenizer.decode(tokenizer.encode("ξ")) == "ξ"


def test_a_vocabulary_that_is_small_keeps_the_most_frequent_characters():
    tokenizer = SubwordTokenizer.train(["aaaa bbb cc d"] * 3, vocabulary=264)

    assert set(tokenizer.words[258:]) >= {"▁", "a", "b"}
    assert "c" not in tokenizer.words


def test_many_lines_are_encoded_as_each_alone():
    assert TOKENIZER.encode_lines(LINES) == [TOKENIZER.encode(line) for line in LINES]


@given(TEXTS | st.text(st.sampled_from("a한 \t\u00a0\u2003\u3000\x1c\x1f\x85▁_,'1\u0301"), max_size=12))
def test_lines_are_read_as_the_tokenizer_file_says(text: str):
    assert TOKENIZER.encode(text) == WHOLE.encode(text).ids


def test_pieces_of_many_words_are_remembered_and_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subwords, "MAX_KNOWN_WORDS", 2)

    assert [TOKENIZER.encode(word) for word in ("cat", "cats", "sat", "s" * 33, "cat")] == [
        WHOLE.encode(word).ids for word in ("cat", "cats", "sat", "s" * 33, "cat")
    ]


def test_a_saved_tokenizer_reads_the_same(tmp_path: Path):
    path = tmp_path / "tokenizer.json"
    path.write_text(TOKENIZER.to_json(), encoding="utf-8")

    loaded = SubwordTokenizer.load(path)

    assert loaded.words == TOKENIZER.words
    assert loaded.to_json() == TOKENIZER.to_json()
    assert loaded.encode(LINES[2]) == TOKENIZER.encode(LINES[2]) == Tokenizer.from_file(str(path)).encode(LINES[2]).ids


@pytest.mark.parametrize(
    ("text", "finished", "prefix", "opening"),
    [
        ("", [END], "", "▁"),
        ("the cat ", [END, "▁the", "▁cat"], "", "▁"),
        ("The CA", [END, "▁the"], "ca", "▁ca"),
        ("the cat,", [END, "▁the", "▁cat", ","], "", ""),
        ("the (ca", [END, "▁the", "▁(", ], "ca", "ca"),
        ("the\ncat\n\n", [END, "▁the", END, "▁cat", END], "", "▁"),
        ("the\nca", [END, "▁the", END], "ca", "▁ca"),
        ("the 핰", [END, "▁the"], "핰", "▁ㅎㅏㅋ"),
        ("नमस्ते", [END], "नमस्ते", "▁नमस्ते"),
    ],
)  # fmt: skip
def test_a_text_ends_in_a_word_being_typed_or_in_finished_ones(text: str, finished: list[str], prefix: str, opening: str):
    context = TOKENIZER.context(text)

    assert pieces(list(context.ids)) == finished
    assert context.prefix == prefix
    assert TOKENIZER.opening(text) == opening


def test_pieces_begin_an_opening_or_begin_with_it():
    completions = set(pieces(TOKENIZER.completions("▁cat")))

    assert completions == {"▁", "▁cat", "▁cats", "▁catal", "▁catalogue"}
    assert set(pieces(TOKENIZER.covering("▁cat"))) == {piece for piece in completions if piece.startswith("▁cat")}
    assert set(pieces(np.flatnonzero(TOKENIZER.begins_with("▁cat")))) == completions


def test_an_opening_matches_a_syllable_that_is_still_composed():
    assert "▁한국" in pieces(TOKENIZER.covering(TOKENIZER.opening("하ㄴ")))
    assert "▁하" in pieces(TOKENIZER.completions(TOKENIZER.opening("한")))
    assert TOKENIZER.rest(TOKENIZER.opening("한"), TOKENIZER.words.index("▁하")) == "ㄴ"


def test_what_a_piece_leaves_of_an_opening_is_still_to_be_written():
    assert TOKENIZER.rest("▁cat", TOKENIZER.words.index("▁")) == "cat"
    assert TOKENIZER.rest("▁c", TOKENIZER.words.index("▁cat")) == ""


def test_special_tokens_and_bytes_are_no_completions():
    everything = TOKENIZER.completions("").tolist()

    assert len(everything) == len(TOKENIZER) - 258
    assert not set(everything) & set(TOKENIZER.hidden_ids)


@pytest.mark.parametrize(
    ("text", "piece", "addition"),
    [("the", "▁cat", " cat"), ("the ", "▁cat", "cat"), ("", "▁cat", "cat"), ("the", ",", ","), ("the", END, "\n"), ("the", "<0xC3>", "")],
)
def test_a_piece_adds_its_letters_and_its_space(text: str, piece: str, addition: str):
    assert TOKENIZER.addition(text, TOKENIZER.words.index(piece)) == addition


def test_a_line_end_is_decoded_as_one():
    ids = [*TOKENIZER.encode("the cat"), TOKENIZER.end_id, *TOKENIZER.encode("sat")]

    assert TOKENIZER.decode(ids) == "the cat\nsat"


def test_pieces_go_on_with_a_word_or_end_it():
    going_on, ending, marks = TOKENIZER.going_on, TOKENIZER.ending, TOKENIZER.marks

    assert [piece for piece in ("t", "'t", ".5", "한", "▁cat", ",") if going_on[TOKENIZER.words.index(piece)]] == ["t", "'t", ".5", "한"]
    assert ending[TOKENIZER.end_id]
    assert marks[TOKENIZER.words.index(",")]
    assert not (going_on & ending).any()
    assert not (marks & ~ending).any()
    assert (going_on | ending).sum() == len(TOKENIZER) - 257


def changed(alter: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(TOKENIZER.to_json())
    alter(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "is not a tokenizer file"),
        ("[" * 100_000, "is not a tokenizer file"),
        (WordTokenizer.train(LINES, vocabulary=50).to_json(), "does not split text into lower-case subwords"),
        (changed(lambda content: content.update(normalizer=None)), "does not split text into lower-case subwords"),
        (changed(lambda content: content["model"].update(type="Unigram")), "does not split text into lower-case subwords"),
        (changed(lambda content: content["model"].update(byte_fallback=False)), "does not split text into lower-case subwords"),
        (changed(lambda content: content["model"]["vocab"].pop("<0x41>")), "has no token '<0x41>'"),
        (changed(lambda content: content["model"]["vocab"].pop(END)), "has no token '</s>'"),
        (changed(lambda content: content["model"]["vocab"].update(zzz=10_000)), "does not number its pieces"),
        (changed(lambda content: content["model"]["vocab"].update({"": len(TOKENIZER)})), "does not number its pieces"),
        (changed(lambda content: content["model"]["vocab"].update({"\ud800": len(TOKENIZER)})), "is not a tokenizer file"),
        (changed(lambda content: content["model"]["vocab"].update(zzz="1")), "is not a tokenizer file"),
        (changed(lambda content: content["model"]["merges"].append(["z", "z"])), "joins 'z' and 'z'"),
        (changed(lambda content: content["model"]["merges"].append(["<", "/s>"])), "joins '<' and '/s>'"),
        (changed(lambda content: content["model"]["merges"].append(["a"])), "is not a tokenizer file"),
        (changed(lambda content: content["model"]["merges"].append([["a"], ["b"]])), "is not a tokenizer file"),
        (changed(lambda content: content["model"].update(vocab=["a"])), "is not a tokenizer file"),
    ],
)
def test_what_is_no_file_of_subwords_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "tokenizer.json"
    path.write_text(text)

    with pytest.raises(ArtifactError, match=r"tokenizer\.json " + re.escape(message)):
        SubwordTokenizer.load(path)


def test_subwords_are_no_words(tmp_path: Path):
    path = tmp_path / "tokenizer.json"
    path.write_text(TOKENIZER.to_json(), encoding="utf-8")

    with pytest.raises(ArtifactError, match="does not split text into lower-case words"):
        WordTokenizer.load(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(subword_file, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "tokenizer.json"
    path.write_text(" " * 1001)

    with pytest.raises(ArtifactError, match="has 1001 bytes, over 1000"):
        SubwordTokenizer.load(path)


def test_the_special_tokens_are_first():
    assert TOKENIZER.words[:3] == (END, UNKNOWN, "<0x00>")
    assert TOKENIZER.hidden_ids == tuple(range(258))

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import NextWordConfig
from training.data.files import DataError
from training.data.text import TextData, baseline_most_frequent, read_text
from training.data.token_batches import line_batches, stream_batches

SIX = ["i like dog", "i love coffee", "i hate milk", "you like cat", "you love milk", "you hate coffee"]
WHOLE = {"validation": 0, "test": 0}


def text_file(tmp_path: Path, lines: list[str], name: str = "text.txt") -> Path:
    file = tmp_path / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def read(file: Path, **settings: object) -> TextData:
    return read_text(NextWordConfig.model_validate({"name": "words", "data": str(file), **settings}), echo=lambda _: None)


def words(text: TextData, ids: np.ndarray | list[int]) -> str:
    return " ".join(text.tokenizer.words[number] for number in ids)


def test_a_text_is_a_stream_with_each_line_ended(tmp_path: Path):
    text = read(text_file(tmp_path, ["I like dogs.", "", "  ", "You too"]), **WHOLE)
    assert words(text, text.train) == "</s> i like dogs . </s> you too </s>"
    assert [words(text, line) for line in text.train_lines] == ["i like dogs .", "you too"]
    assert text.train.dtype == np.int64


def test_without_shares_the_training_lines_serve_for_all(tmp_path: Path):
    text = read(text_file(tmp_path, SIX), **WHOLE)
    assert text.train_lines == text.validation_lines == text.test_lines
    assert (text.data.source, text.data.rows) == ("text.txt", 24)
    assert text.unknown_share == {"train": 0, "validation": 0, "test": 0}


def test_the_last_lines_are_the_test_split_and_those_before_validation(tmp_path: Path):
    text = read(text_file(tmp_path, [f"line number{letter}" for letter in "abcdefghij"]), validation=0.2, test=0.1, vocabulary=100)
    assert [len(lines) for lines in (text.train_lines, text.validation_lines, text.test_lines)] == [7, 2, 1]
    assert words(text, text.test) == "</s> line <unk> </s>"
    assert text.unknown_share["test"] == 0.5
    assert text.data.description == "lines: 7 train, 2 validation, 1 test; vocabulary 10; unknown words in the test split 50.0%"


def test_files_of_their_own_take_nothing_from_the_training_text(tmp_path: Path):
    validation, test = text_file(tmp_path, ["you like milk"], "valid.txt"), text_file(tmp_path, ["i love cat"], "test.txt")
    text = read(text_file(tmp_path, SIX), validation_data=str(validation), test_data=str(test))
    assert len(text.train_lines) == 6
    assert words(text, text.validation_lines[0]) == "you like milk"
    assert words(text, text.test_lines[0]) == "i love cat"
    assert text.data.source == "text.txt, valid.txt, test.txt"


def test_only_the_most_frequent_words_of_the_training_lines_are_known(tmp_path: Path):
    text = read(text_file(tmp_path, ["a a a b b c"]), vocabulary=4, **WHOLE)
    assert text.tokenizer.words == ("</s>", "<unk>", "a", "b")
    assert text.unknown_share["train"] == pytest.approx(1 / 6)


def test_gzipped_texts_with_a_byte_order_mark_and_any_line_ends_are_read(tmp_path: Path):
    file = tmp_path / "text.txt.gz"
    file.write_bytes(gzip.compress("\ufeffone two\r\nthree\rfour\n".encode()))
    assert len(read(file, **WHOLE).train_lines) == 3


def test_a_byte_that_is_not_utf_8_is_named_by_line_and_offset(tmp_path: Path):
    file = tmp_path / "text.txt"
    file.write_bytes(b"fine\nfine\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"text\.txt line 3: byte 13 of the text is not UTF-8: save the text as UTF-8"):
        read(file)


def test_a_gzip_that_is_cut_short_is_refused(tmp_path: Path):
    file = tmp_path / "text.txt.gz"
    file.write_bytes(gzip.compress(b"one two three" * 100)[:25])
    with pytest.raises(DataError, match="cannot be read"):
        read(file)


@pytest.mark.parametrize("lines", [["only one"], []])
def test_a_text_too_small_to_split_is_refused(tmp_path: Path, lines: list[str]):
    with pytest.raises(DataError, match=r"lines are too few for the shares of validation and test: give a larger text, or shares of 0"):
        read(text_file(tmp_path, lines))


def test_a_split_without_words_is_refused(tmp_path: Path):
    empty = text_file(tmp_path, ["___"], "test.txt")
    with pytest.raises(DataError, match=r"test\.txt: no words for test"):
        read(text_file(tmp_path, SIX), test_data=str(empty))


def test_each_row_of_a_stream_continues_in_the_next_batch():
    batches = list(stream_batches(np.arange(12), batch=2, bptt=3))
    assert [tokens.tolist() for tokens, _ in batches] == [[[0, 1, 2], [5, 6, 7]], [[3, 4], [8, 9]]]
    assert [targets.tolist() for _, targets in batches] == [[[1, 2, 3], [6, 7, 8]], [[4, 5], [9, 10]]]


@given(count=st.integers(2, 300), batch=st.integers(1, 20), bptt=st.integers(1, 30))
def test_every_token_is_a_target_once_save_fewer_than_a_batch_at_the_end(count: int, batch: int, bptt: int):
    batches = list(stream_batches(np.arange(count), batch=batch, bptt=bptt))
    targets = np.sort(np.concatenate([targets.ravel() for _, targets in batches]))
    np.testing.assert_array_equal(targets, np.arange(1, len(targets) + 1))
    assert count - 1 - len(targets) < batch
    for tokens, following in batches:
        np.testing.assert_array_equal(tokens + 1, following)
        assert tokens.shape[1] <= bptt


def test_line_batches_hold_lines_of_one_length_and_ask_for_the_last_word():
    lines = [[5, 6, 7], [8, 9], [2, 3, 4], [10]]
    batches = list(line_batches(lines, end_id=0, batch=8, generator=np.random.default_rng(0)))
    found = {(*row, target) for tokens, targets in batches for row, target in zip(tokens.tolist(), targets.tolist(), strict=True)}
    assert found == {(0, 5, 6, 7), (0, 8, 9), (0, 2, 3, 4), (0, 10)}
    assert sorted(tokens.shape for tokens, _ in batches) == [(1, 1), (1, 2), (2, 3)]


def test_line_batches_are_no_larger_than_asked_and_drawn_anew():
    lines = [[number, number] for number in range(2, 50)]
    generator = np.random.default_rng(0)
    first, second = ([targets.tolist() for _, targets in line_batches(lines, end_id=0, batch=10, generator=generator)] for _ in range(2))
    assert sorted(map(len, first)) == [8, 10, 10, 10, 10]
    assert first != second


def test_the_commonest_words_are_suggested_without_special_tokens(tmp_path: Path):
    test = text_file(tmp_path, ["a b c d", "x a"], "test.txt")
    text = read(text_file(tmp_path, ["a a a a b b b c c d"]), test_data=str(test), validation=0, vocabulary=6)
    scores = baseline_most_frequent(text)
    assert list(scores) == ["perplexity", "top1", "top3"]
    assert scores["top1"] == 2 / 5
    assert scores["top3"] == 4 / 5
    shares = [5, 4, 3, 2, 2, 1, 5, 2]  # counts plus one of a b c d END unknown a END, of 11 tokens and 6 in the vocabulary
    assert scores["perplexity"] == pytest.approx(math.exp(-sum(math.log(share / 17) for share in shares) / 8))


def test_only_last_words_count_where_only_they_are_learned(tmp_path: Path):
    text = read(text_file(tmp_path, SIX), **WHOLE)
    scores = baseline_most_frequent(text, last=True)
    assert scores["top1"] == 2 / 6
    assert scores["top3"] == 5 / 6


def test_blank_lines_part_documents_that_stay_whole(tmp_path: Path):
    lines = ["", "a b", "c", "", "  ", "d e", "", "f", "g h", "", "i"]
    text = read(text_file(tmp_path, lines), documents="blank-line", validation=0.25, test=0.25)
    assert words(text, text.train) == "</s> a b </s> c </s> d e </s>"
    assert {split: starts.tolist() for split, starts in text.starts.items()} == {"train": [0, 5], "validation": [0], "test": [0]}
    assert words(text, text.validation) == "</s> <unk> </s> <unk> <unk> </s>"
    assert text.test_words == 2


def test_without_documents_a_text_is_one(tmp_path: Path):
    text = read(text_file(tmp_path, ["a b", "", "c"]), **WHOLE)
    assert [starts.tolist() for starts in text.starts.values()] == [[0], [0], [0]]


def test_too_few_documents_to_split_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="1 documents are too few"):
        read(text_file(tmp_path, ["a b", "c"]), documents="blank-line")


def test_forms_are_those_of_the_training_lines(tmp_path: Path):
    assert read(text_file(tmp_path, ["said Pierre"] * 3), **WHOLE).forms == {"pierre": "Pierre"}


def test_pieces_of_words_leave_nothing_unknown(tmp_path: Path):
    text = read(text_file(tmp_path, ["low lower lowest"] * 8 + ["newer x"] * 2), tokens="subwords", vocabulary=300, validation=0, test=0.2)
    assert text.unknown_share == {"train": 0, "validation": 0, "test": 0}
    assert text.test_words == 6
    assert text.forms == {}
    assert text.tokenizer.decode(text.test_lines[0]) == "newer x"

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.contract.subwords import SubwordTokenizer
from service.contract.tokenizer import WordTokenizer
from service.tasks.place import (
    CHARACTER_STRIDE,
    MAX_CHARACTERS,
    MAX_TOKENS,
    TOKEN_STRIDE,
    Known,
    Place,
    Stretch,
    Text,
    Tokenizer,
    last_cut,
    last_known,
    left_out,
    recent_text,
)
from tests.artifacts import WORDS

START = Place(b"start")
WHOLE_WORDS = WordTokenizer.train([WORDS], vocabulary=50)
PIECES = SubwordTokenizer.train([WORDS, "고양이 가 매트 에 앉았다 ."], vocabulary=600)
TEXTS = st.lists(
    st.sampled_from(
        [
            "the",
            "cat",
            "sat",
            "x",
            "_",
            ".",
            ",",
            "'",
            "’",
            " ",
            " ",
            "  ",
            "\n",
            "\t",
            "\r",
            "</s>",
            "é",
            "e\u0301",
            "1.5",
            "고양",
            "İ",
            "▁",
        ]
    )
).map("".join)


def check_parts_are_the_whole(tokenizer: Tokenizer, text: str) -> None:
    whole = tokenizer.context(text)
    split = Text.of(tokenizer, text)
    assert (*split.tokens(tokenizer, START, 0), *split.tail) == whole.ids
    assert split.prefix == whole.prefix
    for cut in {last_cut(split.finished, stop) for stop in range(1, len(split.finished))} - {0}:
        before = Text(split.finished[:cut], (), "").tokens(tokenizer, START, 0)
        place = Stretch.behind(START, before).after(len(before), end_id=tokenizer.end_id)
        assert (*before, *split.tokens(tokenizer, place, cut), *split.tail) == whole.ids


@given(TEXTS)
def test_words_of_a_text_in_parts_are_those_of_the_whole(text: str):
    check_parts_are_the_whole(WHOLE_WORDS, text)


@given(TEXTS)
def test_subwords_of_a_text_in_parts_are_those_of_the_whole(text: str):
    check_parts_are_the_whole(PIECES, text)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 30))
def test_places_behind_the_same_tokens_are_the_same(ids: list[int], cut: int):
    cut = min(cut, len(ids))
    there = Stretch.behind(START, ids).after(cut, end_id=0)

    assert Stretch.behind(START, ids[:cut]).after(cut, end_id=0) == there
    assert Stretch.behind(there, ids[cut:]).after(len(ids) - cut, end_id=0) == Stretch.behind(START, ids).after(len(ids), end_id=0)


def test_places_behind_other_tokens_differ():
    keys = {Stretch.behind(START, ids).keys[-1] for ids in ([], [0], [1], [0, 1], [1, 0], [0, 0], [256], [0, 1, 0])}

    assert len(keys) == 8


def test_the_newest_of_the_last_cuts_is_found():
    places: dict[bytes, Place] = {}
    for number, text in enumerate(("one ", "one two ", "one two three four five six ")):
        places[last_known(text, START, places.get).digest] = Place(bytes([number]), tokens=number + 1)

    assert last_known("one two three ", START, places.get).place.tokens == 2
    assert last_known("one two three ", START, places.get).stop == 8
    assert last_known("one twice ", START, places.get).place.tokens == 1
    assert last_known("two ", START, places.get) == Known(START, 0, last_known("two ", START, places.get).digest)
    assert last_known("one two three four five six seven eight nine ", START, places.get).stop == 28
    assert last_known("one two three four five six seven eight nine ten ", START, places.get).stop == 0


@given(st.text(st.sampled_from("ab \n"), min_size=1, max_size=9), st.integers(1, 5 * CHARACTER_STRIDE))
def test_a_long_text_is_read_from_a_word_on(word: str, length: int):
    text = (word * length)[:length]
    read = recent_text(text)

    assert text.endswith(read)
    assert len(read) <= MAX_CHARACTERS
    assert read == text or len(read) > MAX_CHARACTERS - CHARACTER_STRIDE - 256
    assert read == text or not set(word) & set(" \n") or text[: -len(read)][-1] in " \n"


def test_where_a_text_begins_to_be_read_changes_once_in_a_stride():
    text = "word " * (MAX_CHARACTERS // 2)
    starts = [length - len(recent_text(text[:length])) for length in range(0, len(text), 5)]

    assert starts == sorted(starts)
    assert len(set(starts)) == 1 + -(-(len(text) - 5 - MAX_CHARACTERS) // CHARACTER_STRIDE)


def test_many_tokens_are_left_out_in_strides():
    assert [
        left_out(tokens) for tokens in (0, 1, MAX_TOKENS, MAX_TOKENS + 1, MAX_TOKENS + TOKEN_STRIDE, MAX_TOKENS + TOKEN_STRIDE + 1)
    ] == [
        0,
        0,
        0,
        1024,
        1024,
        2048,
    ]

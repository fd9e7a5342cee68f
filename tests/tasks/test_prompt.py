"""Prompts: their tokens, and where each stands in the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.subwords import AnyTokenizer
from service.contract.tokenizer import WordTokenizer
from service.tasks.prompt import Prompt
from tests import artifacts
from tests.subword_model import TOKENIZER as PIECES

WORDS = artifacts.next_word().tokenizer
assert isinstance(WORDS, WordTokenizer)
TEXTS = st.text(alphabet=st.sampled_from(list("The cat's, mat.\n 3é한국말을ħ(<")), max_size=40)


@pytest.mark.parametrize(
    ("text", "ids", "opening"),
    [
        ("the cat", [0, 2, 6], ""),  # the last word is known: it is read as it stands
        ("the ca", [0, 2], "ca"),
        ("the cax", [0, 2, 1], ""),  # no word begins so
        ("the ", [0, 2], ""),
        ("", [0], ""),
        ("the\n\ncat.", [0, 2, 0, 6, 3], ""),
    ],
)
def test_a_last_word_that_is_not_known_is_completed(text: str, ids: list[int], opening: str):
    prompt = Prompt.of_text(WORDS, text, {})

    assert (list(prompt.ids), prompt.passage.opening, prompt.tokens) == (ids, opening, len(ids) - 1)


def test_a_whole_text_is_read_to_its_end():
    prompt = Prompt.of_text(WORDS, "the ca", {}, whole=True)

    assert (list(prompt.ids), prompt.passage.opening, prompt.passage.last) == ([0, 2, 1], "", "a")


def test_a_text_that_begins_with_the_line_end_before_every_text_has_it_once():
    prompt = Prompt.placed(WORDS, "</s> the cat", {})

    assert (list(prompt.ids), prompt.implied, list(prompt.starts)) == ([0, 2, 6], 0, [0, 4, 8])


@pytest.mark.parametrize("tokenizer", [WORDS, PIECES])
@given(text=TEXTS)
def test_places_are_those_of_the_tokens_that_are_read(tokenizer: AnyTokenizer, text: str):
    prompt = Prompt.placed(tokenizer, text, {})

    assert list(prompt.ids) == list(Prompt.of_text(tokenizer, text, {}, whole=True).ids)
    assert len(prompt.starts) == prompt.tokens
    assert list(prompt.starts) == sorted(prompt.starts)
    assert all(0 <= start < len(text) for start in prompt.starts)


@pytest.mark.parametrize("tokenizer", [WORDS, PIECES])
@given(data=st.data())
def test_tokens_stand_in_their_text_where_they_begin(tokenizer: AnyTokenizer, data: st.DataObject):
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), min_size=1, max_size=20))
    prompt = Prompt.of_ids(tokenizer, ids, {})

    assert prompt.tokens == len(ids)
    assert list(prompt.ids)[prompt.implied :] == ids
    assert prompt.ids[0] == tokenizer.end_id
    assert prompt.starts[0] == 0
    assert list(prompt.starts) == sorted(prompt.starts)
    assert prompt.starts[-1] <= len(prompt.text)
    for start, token in zip(prompt.starts, ids, strict=True):
        added = tokenizer.addition(prompt.text[max(start - 1, 0) : start], token)
        assert not added or prompt.text[start:].startswith(added)


def test_bytes_are_characters_together():
    ids = [PIECES.words.index(f"<0x{byte:02X}>") for byte in "ħ".encode()]
    prompt = Prompt.of_ids(PIECES, [*ids, *PIECES.encode("cat")], {})

    assert prompt.text == "ħ cat"
    assert list(prompt.starts[:3]) == [0, 0, 1]

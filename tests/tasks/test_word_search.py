from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.jamo import typed_letters
from service.tasks.dialogue import converse
from service.tasks.reading import read
from service.tasks.word_search import MAX_BEAMS, MAX_PIECES, MIN_BEAMS, find_words
from tests import artifacts
from tests.subword_model import TOKENIZER, next_subword

MANIFEST = artifacts.manifest(next_subword(), "tiny", 1)
PIECES = TOKENIZER.words
START, BYTE = TOKENIZER.end_id, TOKENIZER.words.index("<0x41>")
GOING_ON = [number for number in range(258, len(PIECES)) if PIECES[number][0] != "▁" and any(map(str.isalnum, PIECES[number]))]
SPACED = [number for number in range(258, len(PIECES)) if PIECES[number][0] == "▁"]
MARKS = [number for number in range(258, len(PIECES)) if PIECES[number] != "▁" and not any(map(str.isalnum, PIECES[number]))]


class Bigrams:
    """A graph in which the next piece depends on the last one only; keeps how many rows each step had."""

    def __init__(self, probabilities: NDArray[np.float32]) -> None:
        self.probabilities = probabilities
        self.rows: list[int] = []

    def __call__(self, inputs: Tensors) -> Tensors:
        self.rows.append(len(inputs["tokens"]))
        with np.errstate(divide="ignore"):
            log_probs = np.log(self.probabilities[inputs["tokens"][:, -1]])
        return {"log_probs": log_probs, "next_state_h": inputs["state_h"], "next_state_c": inputs["state_c"]}


WAYS = [
    *((START, PIECES.index(piece)) for piece in ("▁", "▁cat", "▁catal", "c", "cat", "▁하", "▁한", "▁한국")),
    *((PIECES.index("▁"), PIECES.index(piece)) for piece in ("c", "cat", "한", "(")),
    *(
        (PIECES.index(one), PIECES.index(behind))
        for one, behind in (("c", "at"), ("▁하", "늘이"), ("▁cat", "s"), ("cat", "s"), ("▁한", "국"))
    ),
]
"""Pieces that may follow each other in every graph: some words can be put together in several ways."""


def few_ways(seed: int) -> Bigrams:
    """Behind each piece a few may stand; a word goes on with pieces of ever higher ids only, so that it ends."""
    generator = np.random.default_rng(seed)
    table = np.zeros((len(PIECES), len(PIECES)), np.float32)
    for number in range(len(PIECES)):
        later = [piece for piece in GOING_ON if piece > number + 20 or number in SPACED]
        begun = generator.permutation(SPACED)[:3]
        chosen = [*generator.permutation(later)[:2], *begun, generator.choice(MARKS), START, BYTE]
        table[number, chosen] = generator.uniform(0.1, 1, len(chosen))
    for one, behind in WAYS:
        table[one, behind] = generator.uniform(0.5, 1)
    return Bigrams(table / table.sum(axis=1, keepdims=True))


def by_brute_force(table: NDArray[np.float32], opening: str) -> dict[str, float]:
    """All words that begin with `opening` and their probabilities behind a start, given that opening."""
    words: defaultdict[str, float] = defaultdict(float)
    typed = 0.0
    ends = sorted({*SPACED, *MARKS, START})

    def go_on(last: int, text: str, probability: float) -> None:
        nonlocal typed
        letters = typed_letters(text)
        blank = text in ("", "▁")
        if not blank and letters.startswith(opening):
            words[text.removeprefix("▁")] += probability * float(table[last, ends].sum())
        for piece in np.flatnonzero(table[last]):
            behind = typed_letters(text + PIECES[piece])
            whole = probability * float(table[last, piece])
            mark, begun = piece in MARKS and blank, piece in GOING_ON or (not text and piece in SPACED)
            if not (mark or begun) or (text and piece in SPACED) or not (behind.startswith(opening) or opening.startswith(behind)):
                continue
            typed += whole if behind.startswith(opening) and not letters.startswith(opening) else 0
            if mark:
                words[PIECES[piece].removeprefix("▁")] += whole
            else:
                go_on(piece, text + PIECES[piece], whole)

    go_on(START, "", 1.0)
    given = typed if opening else 1.0
    return {word: probability / given for word, probability in words.items() if probability}


def found(graph: Bigrams, opening: str, *, count: int = 64) -> dict[str, float]:
    reading = converse(read(MANIFEST, [START]), graph)
    return dict(converse(find_words(MANIFEST, TOKENIZER, reading, opening, count=count), graph))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("opening", ["▁", "", "▁c", "▁cat", "c", "▁ㅎ", "▁ㅎㅏㄴ", "▁ㅎㅏㄴㄱㅜ"])
def test_words_and_probabilities_are_those_of_a_search_through_everything(opening: str, seed: int):
    graph = few_ways(seed)

    words = found(graph, opening, count=10_000)

    assert words == pytest.approx(by_brute_force(graph.probabilities, opening), rel=1e-4, abs=1e-9)
    assert list(words.values()) == sorted(words.values(), reverse=True)


def test_the_likeliest_words_are_found_without_the_others():
    graph = few_ways(7)
    everything = by_brute_force(graph.probabilities, "▁")

    few = found(graph, "▁", count=3)

    assert list(few) == sorted(everything, key=lambda word: -everything[word])[:3]


def test_each_step_reads_all_beams_at_once_and_no_more_than_the_search_is_wide():
    graph = Bigrams(np.full((len(PIECES), len(PIECES)), 1 / len(PIECES), np.float32))

    found(graph, "▁", count=3)

    assert graph.rows[:2] == [1, MIN_BEAMS]
    assert max(graph.rows) == MIN_BEAMS


def test_a_search_ends_where_words_do_not():
    endless = np.zeros((len(PIECES), len(PIECES)), np.float32)
    endless[:, GOING_ON] = 1 / len(GOING_ON)
    graph = Bigrams(endless)

    assert found(graph, "", count=1000) == {}
    assert graph.rows == [1, len(GOING_ON), *[MAX_BEAMS] * (MAX_PIECES - 1)]


def test_letters_that_no_piece_has_are_no_word():
    assert found(few_ways(0), "▁щ") == {}


def test_what_is_never_suggested_is_not_found():
    uniform = Bigrams(np.full((len(PIECES), len(PIECES)), 1 / len(PIECES), np.float32))

    words = found(uniform, "", count=500)

    assert not {PIECES[number] for number in TOKENIZER.hidden_ids} & set(words)
    assert "," in words

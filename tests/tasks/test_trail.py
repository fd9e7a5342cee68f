from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.contract.manifest import Pointer
from service.tasks.trail import SPARE, Trail, extended

VOCABULARY = 5
UNIFORM = np.full(VOCABULARY, -np.log(VOCABULARY), np.float32)
EAST, NORTH = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)


def trail_of(*steps: tuple[NDArray[np.float32], int], window: int = 10) -> Trail:
    """A trail of vectors (1, 2) and the token that each is behind."""
    trail = None
    for vector, token in steps:
        trail = extended(trail, vector, np.array([token]), window=window)
    assert trail is not None
    return trail


def by_definition(vectors: NDArray[np.float32], tokens: list[int], pointer: Pointer) -> list[float]:
    """Probabilities of the next token, word by word as the paper has them."""
    last = len(tokens) - 1
    weights = np.zeros(VOCABULARY)
    for place in range(max(last - pointer.window, 0), last):
        weights[tokens[place + 1]] += np.exp(pointer.sharpness * float(vectors[place] @ vectors[last]))
    if not weights.any():
        return [1 / VOCABULARY] * VOCABULARY
    found: list[float] = ((1 - pointer.share) / VOCABULARY + pointer.share * weights / weights.sum()).tolist()
    return found


def test_a_token_is_likelier_that_came_behind_a_vector_like_the_last_one():
    trail = trail_of((EAST, 0), (NORTH, 1), (EAST, 2), (NORTH, 3), (EAST, 4))

    mixed = np.exp(trail.mixed(UNIFORM, Pointer(window=10, sharpness=2.0, share=0.5)))

    like, unlike = np.exp(2.0), 1.0  # 1 and 3 came behind an east, 2 and 4 behind a north
    expected = [0.1, *(0.1 + 0.5 * weight / (2 * like + 2 * unlike) for weight in (like, unlike, like, unlike))]
    assert mixed == pytest.approx(expected, rel=1e-5)


def test_the_first_token_of_a_text_is_mixed_with_nothing():
    assert trail_of((EAST, 3)).mixed(UNIFORM, Pointer(window=10, sharpness=1.0, share=0.5)).tolist() == UNIFORM.tolist()


def test_a_token_that_is_very_unlike_is_still_possible():
    trail = trail_of((-EAST, 0), (EAST, 1), (EAST, 2))

    mixed = trail.mixed(UNIFORM, Pointer(window=10, sharpness=5000.0, share=0.5))

    assert np.exp(mixed) == pytest.approx([0.1, 0.1, 0.6, 0.1, 0.1], rel=1e-5)


@given(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=60),
    st.integers(1, 20),
    st.lists(st.integers(1, 9), max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_a_trail_in_pieces_says_what_the_paper_defines(tokens: list[int], window: int, cuts: list[int], seed: int):
    vectors = np.random.default_rng(seed).normal(size=(len(tokens), 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pointer = Pointer(window=window, sharpness=3.0, share=0.25)
    trail, begun = None, 0
    for length in [*cuts, len(tokens)]:
        if begun < len(tokens):
            piece = slice(begun, begun + length)
            trail = extended(trail, vectors[piece], np.array(tokens[piece]), window=window)
            begun += length

    assert trail is not None
    assert np.exp(trail.mixed(UNIFORM, pointer)) == pytest.approx(by_definition(vectors, tokens, pointer), rel=1e-4)
    assert len(trail.tokens) <= window + 1


def test_a_text_that_goes_on_is_written_behind_itself_and_one_that_turns_off_takes_a_copy():
    beginning = trail_of((EAST, 0), (NORTH, 1))
    on = extended(beginning, EAST, np.array([2]), window=10)
    off = extended(beginning, NORTH, np.array([3]), window=10)

    assert on.room is beginning.room
    assert off.room is not beginning.room
    assert (beginning.tokens.tolist(), on.tokens.tolist(), off.tokens.tolist()) == ([0, 1], [0, 1, 2], [0, 1, 3])
    assert on.vectors.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_room_has_some_positions_to_spare_and_no_more_than_a_window():
    trail = None
    sizes = set()
    for token in range(1000):
        trail = extended(trail, EAST, np.array([token % VOCABULARY]), window=100)
        sizes.add(len(trail.room.tokens))

    assert min(sizes) == 1 + SPARE
    assert max(sizes) == 101 + SPARE
    assert trail is not None
    assert trail.tokens.tolist() == [token % VOCABULARY for token in range(899, 1000)]


def test_threads_that_extend_one_trail_do_not_meet():
    beginning = trail_of((EAST, 0))
    found: dict[int, list[int]] = {}

    def go_on(number: int) -> None:
        trail = beginning
        for _ in range(200):
            trail = extended(trail, NORTH, np.array([number]), window=500)
        found[number] = trail.tokens.tolist()

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {number: [0, *[number] * 200] for number in range(1, 5)}

"""The pointer to recent words: found where it pays, and the same in training and in the service."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.contract.manifest import Pointer
from service.tasks.trail import extended
from training.data.token_batches import NO_TARGET, cut_documents
from training.learners.next_word_ranks import beginnings, rank, rank_rows
from training.learners.pointer import Passage, Pointing, passages, tune_pointer
from training.networks.next_word import NextWordModel, NextWordShape
from training.networks.recurrence import Recurrence

VOCABULARY = 12


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def passage(targets: list[int], vectors: np.ndarray) -> Passage:
    """As a network without an idea reads it: all words are as likely."""
    ids = torch.tensor(targets)
    return Passage(torch.from_numpy(unit(vectors)), ids, torch.full((len(ids),), -float(np.log(VOCABULARY))))


def test_a_pointer_is_found_where_words_come_again_in_the_same_company():
    words = np.random.default_rng(0).integers(VOCABULARY, size=40)
    company = np.eye(VOCABULARY, dtype=np.float32)[np.roll(words, 1)]  # the vector tells the word before
    again = np.concatenate([company, company]) + 0.01
    found = tune_pointer([passage([*words, *words], again)], window=60)
    assert found is not None
    assert (found.window, found.share) == (60, 0.3)
    assert found.sharpness >= 8


def test_no_pointer_is_published_where_nothing_comes_again():
    generator = np.random.default_rng(0)
    words = generator.integers(VOCABULARY, size=400)
    assert tune_pointer([passage(list(words), generator.normal(size=(400, 8)))], window=50) is None
    assert tune_pointer([], window=50) is None


@given(seed=st.integers(0, 50), length=st.integers(1, 30), window=st.integers(1, 12))
def test_training_points_as_the_service_does(seed: int, length: int, window: int):
    generator = np.random.default_rng(seed)
    pointer = Pointer(window=window, sharpness=3.0, share=0.2)
    vectors, tokens = unit(generator.normal(size=(length, 4))), generator.integers(VOCABULARY, size=length + 1)
    scores = generator.normal(size=(length, VOCABULARY)).astype(np.float32)
    log_probs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    pointing, trail = Pointing(pointer, 1), None
    for step in range(length):
        mine = pointing.mixed(log_probs[step : step + 1], vectors[step : step + 1])[0]
        pointing.add(vectors[step : step + 1], tokens[step + 1 : step + 2])
        trail = extended(trail, vectors[step : step + 1], tokens[step : step + 1], window=window)
        np.testing.assert_allclose(mine, trail.mixed(log_probs[step], pointer), rtol=0, atol=1e-4)


def test_rows_that_have_ended_leave_the_others_as_they_are():
    generator = np.random.default_rng(0)
    pointer = Pointer(window=5, sharpness=3.0, share=0.2)
    both, alone = Pointing(pointer, 2), Pointing(pointer, 1)
    log_probs = np.full((2, VOCABULARY), -np.log(VOCABULARY), np.float32)
    for rows in (2, 2, 1, 1):
        vectors, tokens = unit(generator.normal(size=(rows, 4))), generator.integers(VOCABULARY, size=rows)
        found = both.mixed(log_probs[:rows], vectors)
        np.testing.assert_allclose(found[:1], alone.mixed(log_probs[:1], vectors[:1]), rtol=0, atol=1e-6)
        both.add(vectors, tokens)
        alone.add(vectors[:1], tokens[:1])


def test_passages_hold_what_the_network_says_of_each_row():
    torch.manual_seed(0)
    network = NextWordModel(NextWordShape(Recurrence("gru", 8), VOCABULARY, embedding=6)).eval()
    rows = [np.array([0, 3, 4, 5, 3, 0]), np.array([0, 7, 0])]
    long, short = passages(network, rows)
    assert (long.vectors.shape, short.vectors.shape) == ((5, 6), (2, 6))
    logits, _ = network(torch.tensor([[0, 7]]))
    expected = torch.log_softmax(logits[0], dim=-1)[torch.arange(2), torch.tensor([7, 0])]
    torch.testing.assert_close(short.log_probs, expected)
    torch.testing.assert_close(short.vectors.norm(dim=-1), torch.ones(2))
    assert NO_TARGET not in long.targets.tolist()


def test_words_are_ranked_among_those_that_are_suggested():
    log_probs = np.log(np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]], np.float32))
    found = rank(log_probs, np.array([2, 0]), hidden_ids=(0,))
    assert found.ranks.tolist() == [1, 3]
    assert found.log_probs == pytest.approx(np.log([0.2, 0.1]))
    assert found.words((0,)).tolist() == [True, False]
    assert found.scores((0,)) == pytest.approx({"perplexity": 50**0.5, "top1": 0.0, "top3": 1.0})


def test_rows_are_read_to_their_ends_from_their_own_states():
    def run(tensors):
        """Says that the token after n tokens is n, as the state counts them."""
        state = tensors["state_h"] + 1
        log_probs = np.full((len(state), VOCABULARY), -9, np.float32)
        log_probs[np.arange(len(state)), state[:, 0, 0].astype(int)] = 0
        return {"log_probs": log_probs, "next_state_h": state}

    rows = [np.array([0, 1, 2, 3]), np.array([0, 1])]
    alone, pointed = rank_rows(run, rows, start=lambda count: {"state_h": np.zeros((count, 1, 1), np.float32)}, hidden_ids=())
    assert (alone.targets.tolist(), alone.ranks.tolist(), pointed) == ([1, 1, 2, 3], [0, 0, 0, 0], None)


def test_of_too_many_tokens_each_row_keeps_its_beginning():
    rows = cut_documents(np.arange(31), np.array([0, 20]))
    assert [len(row) - 1 for row in rows] == [20, 10]
    assert [len(row) - 1 for row in beginnings(rows, most=15)] == [10, 5]
    assert beginnings(rows, most=30) == rows

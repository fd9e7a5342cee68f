from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.tasks.sampling import Sampling, best_first, choose, likeliest, log_sum, nucleus, penalised, probabilities

SCORES = st.lists(st.floats(-30, 0) | st.sampled_from([-1.0, -2.0, -np.inf]), min_size=1, max_size=12).map(np.array)
FINITE = st.lists(st.floats(-30, 0), min_size=1, max_size=12).map(np.array)


def kept(scores: NDArray[np.float64]) -> list[int]:
    """Positions that are not ruled out."""
    return np.flatnonzero(np.isfinite(scores)).tolist()


def drawn(scores: NDArray[np.float64], sampling: Sampling, times: int) -> Counter[int]:
    generator = np.random.default_rng(1)
    return Counter(choose(scores, sampling, generator) for _ in range(times))


def test_without_a_temperature_the_likeliest_is_chosen():
    scores = np.log([0.2, 0.5, 0.3])

    assert drawn(scores, Sampling(), 10) == {1: 10}
    assert drawn(scores, Sampling(temperature=0), 10) == {1: 10}


def test_draws_follow_the_probabilities():
    found = drawn(np.log([0.1, 0.6, 0.3]), Sampling(temperature=1.0), 2000)

    assert [round(found[token] / 2000, 1) for token in range(3)] == [0.1, 0.6, 0.3]


def test_a_low_temperature_is_nearly_sure_and_a_high_one_nearly_even():
    scores = np.log([0.4, 0.6])

    assert drawn(scores, Sampling(temperature=0.01), 100) == {1: 100}
    assert round(drawn(scores, Sampling(temperature=5.0), 2000)[0] / 2000, 1) == 0.5


def test_what_is_ruled_out_is_never_drawn():
    found = drawn(np.array([-np.inf, -1.0, -np.inf, -1.0, -np.inf]), Sampling(temperature=5.0), 200)

    assert set(found) == {1, 3}


def test_top_k_and_top_p_hold_together():
    scores = np.log([0.4, 0.3, 0.2, 0.1])

    assert set(drawn(scores, Sampling(temperature=1.0, top_k=3, top_p=0.7), 200)) == {0, 1}  # of three: 4/9 and 3/9
    assert set(drawn(scores, Sampling(temperature=1.0, top_k=1), 50)) == {0}


@pytest.mark.parametrize("scores", [[-np.inf, -np.inf], [np.nan, -1.0]])
def test_a_graph_that_gives_nothing_is_an_error(scores: list[float]):
    with pytest.raises(ArithmeticError, match="gives no token that may be written a finite log-probability"):
        choose(np.array(scores), Sampling(temperature=1.0), np.random.default_rng(1))


@given(FINITE, st.floats(1e-6, 1, exclude_max=True))
def test_the_nucleus_is_the_smallest_set_with_that_mass(scores: NDArray[np.float64], top_p: float):
    chances = probabilities(scores)
    inside = kept(nucleus(scores, top_p))
    outside = sorted(set(range(len(scores))) - set(inside))

    assert chances[inside].sum() >= top_p - 1e-9
    assert chances[inside].sum() - chances[inside].min() < top_p + 1e-9
    assert all(chances[outside] <= chances[inside].min())


@given(FINITE)
def test_a_nucleus_of_everything_rules_nothing_out(scores: NDArray[np.float64]):
    assert nucleus(scores, 1.0) is scores
    assert nucleus(scores, None) is scores


def test_of_equal_tokens_the_lower_ids_are_kept():
    assert kept(likeliest(np.array([-1.0, -2.0, -1.0, -1.0]), 2)) == [0, 2]
    assert kept(nucleus(np.log([0.25, 0.25, 0.25, 0.25]), 0.5)) == [0, 1]


@given(SCORES, st.integers(1, 15))
def test_the_best_come_first_and_none_that_is_ruled_out(scores: NDArray[np.float64], count: int):
    finite = [place for place in range(len(scores)) if scores[place] > -np.inf]

    assert best_first(scores, count).tolist() == sorted(finite, key=lambda place: (-scores[place], place))[:count]
    assert kept(likeliest(scores, count)) == sorted(best_first(scores, count).tolist())


@given(FINITE, st.sets(st.integers(0, 20)))
def test_a_penalty_of_one_changes_nothing(scores: NDArray[np.float64], tokens: set[int]):
    assert penalised(scores, tokens, 1.0) is scores


def test_a_penalty_multiplies_the_log_probabilities_of_what_was_written():
    scores = penalised(np.array([-1.0, -2.0, -np.inf]), {1, 2}, 1.5)

    assert scores.tolist() == [-1.0, -3.0, -np.inf]
    assert penalised(np.array([-1.0, -2.0]), set(), 2.0).tolist() == [-1.0, -2.0]


def test_logs_are_summed_without_overflow():
    assert log_sum(np.array([-1000.0, -1000.0])) == pytest.approx(-1000 + np.log(2))

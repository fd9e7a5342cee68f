"""Levels between the trained ones, intervals, and what lies beyond."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tasks.dialogue import QuestionError
from service.tasks.levels import asked_intervals, asked_levels

from .gaussian import LEVELS, gaussian


def test_a_level_between_two_trained_ones_is_exact_where_errors_are_normal():
    model = gaussian()

    [answer] = model.ask(quantiles=[0.1, 0.6, 0.9])

    for level in (0.1, 0.6, 0.9):
        expected = model.mean + model.deviation * NormalDist().inv_cdf(level)
        np.testing.assert_allclose(answer.quantiles[str(level)], expected, rtol=1e-6)


def test_a_trained_level_is_given_as_the_model_gives_it():
    table = np.array([[1.1, 2.2], [3.3, 4.4], [5.5, 6.6]], np.float32)

    levels = asked_levels((0.1, 0.5, 0.9), [0.9, 0.1, 0.5, 0.49999999999])

    assert [level.of(table).tolist() for level in levels] == [table[place].tolist() for place in (2, 0, 1, 1)]
    assert [str(level) for level in levels] == ["0.9", "0.1", "0.5", "0.5"]


def test_without_a_wish_all_trained_levels_are_answered():
    assert [level.value for level in asked_levels(LEVELS, None)] == list(LEVELS)


def test_half_way_in_level_is_nearer_to_the_median_in_value():
    table = np.array([0, 1], np.float32)

    [level] = asked_levels((0.5, 0.9), [0.7])

    assert level.of(table) == pytest.approx(0.40919, abs=1e-5)  # .52440 of 1.28155


@given(
    quantiles=st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=5, max_size=5).map(sorted),
    wanted=st.lists(st.floats(0.05, 0.95), min_size=2, max_size=20).map(sorted),
)
def test_quantiles_of_any_levels_never_cross(quantiles: list[float], wanted: list[float]):
    table = np.array(quantiles, np.float32)

    answered = [float(level.of(table)) for level in asked_levels(LEVELS, [*wanted, 0.95])]

    assert answered == sorted(answered)
    assert quantiles[0] <= answered[0]
    assert answered[-1] == quantiles[-1]


@pytest.mark.parametrize(
    ("trained", "level", "message"),
    [
        (LEVELS, 0.04, "quantile 0.04: this model answers quantiles from 0.05 to 0.95"),
        (LEVELS, 0.951, "quantile 0.951: this model answers quantiles from 0.05 to 0.95"),
        (LEVELS, float("nan"), "quantile nan: this model answers"),
        ((0.5,), 0.4, "quantile 0.4: this model answers the quantile 0.5 alone"),
    ],
)
def test_a_level_beyond_the_trained_ones_is_refused_with_their_range(trained: tuple[float, ...], level: float, message: str):
    with pytest.raises(QuestionError) as refusal:
        asked_levels(trained, [0.5, level])

    assert refusal.value.message.startswith(message)
    assert refusal.value.where == ("quantiles", 1)


def test_an_interval_lies_between_the_quantiles_that_leave_out_equal_shares():
    model = gaussian()

    [answer] = model.ask(level=(90, 80.5))

    assert list(answer.intervals or {}) == ["90", "80.5"]
    np.testing.assert_array_equal(answer.intervals["90"]["low"], answer.quantiles["0.05"])
    np.testing.assert_array_equal(answer.intervals["90"]["high"], answer.quantiles["0.95"])
    np.testing.assert_allclose(answer.intervals["80.5"]["high"], model.mean + model.deviation * NormalDist().inv_cdf(0.9025), rtol=1e-6)


def test_without_a_wish_there_are_no_intervals():
    [answer] = gaussian().ask()

    assert answer.intervals is None


def test_an_interval_wider_than_the_trained_levels_is_refused():
    with pytest.raises(QuestionError) as refusal:
        asked_intervals(LEVELS, [80, 95])

    assert (
        refusal.value.message
        == "level 95 needs quantiles 0.025 and 0.975: this model answers quantiles from 0.05 to 0.95, so levels up to 90"
    )
    assert refusal.value.where == ("level", 1)


@pytest.mark.parametrize(("trained", "what_there_is"), [((0.1, 0.5, 0.8), "so levels up to 60"), ((0.5, 0.9), "so no intervals")])
def test_a_refused_interval_says_which_the_widest_is(trained: tuple[float, ...], what_there_is: str):
    with pytest.raises(QuestionError) as refusal:
        asked_intervals(trained, [95])

    assert refusal.value.message.endswith(what_there_is)

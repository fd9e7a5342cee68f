"""What is added to scores before a token is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tasks.bias import Bias, biased

SCORES = np.log(np.array([0.5, 0.25, 0.125, 0.125]))


def test_what_was_written_loses_once_and_for_each_time():
    found = biased(SCORES, [1, 3, 1], Bias(presence=0.5, frequency=0.25))

    assert (SCORES - found).tolist() == pytest.approx([0, 1.0, 0, 0.75])


def test_tokens_get_what_is_said_of_them():
    found = biased(SCORES, [], Bias(tokens={0: -100, 2: 1.5}))

    assert (found - SCORES).tolist() == pytest.approx([-100, 0, 1.5, 0])


def test_what_is_ruled_out_stays_so():
    ruled_out = np.array([-np.inf, 0.0])

    assert biased(ruled_out, [0], Bias(presence=-2, tokens={0: 100})).tolist() == [-np.inf, 0.0]


@pytest.mark.parametrize(
    ("bias", "most"),
    [
        (Bias(), 0),
        (Bias(presence=1, frequency=1, tokens={0: -5}), 0),
        (Bias(tokens={0: -5, 1: 2, 2: 1}), 2),
        (Bias(presence=-0.5, frequency=-0.25, tokens={1: 2}), 2 + 0.5 + 0.25 * 8),
    ],
)
def test_what_a_token_may_gain_is_known(bias: Bias, most: float):
    assert bias.most(8) == most


@given(st.lists(st.integers(0, 3), max_size=20), st.floats(-2, 2), st.floats(-2, 2))
def test_the_scores_that_were_given_stay_as_they_are(written: list[int], presence: float, frequency: float):
    given_scores = SCORES.copy()
    found = biased(given_scores, written, Bias(presence, frequency))

    assert given_scores.tolist() == SCORES.tolist()
    expected = [score - presence * (token in written) - frequency * written.count(token) for token, score in enumerate(SCORES.tolist())]
    assert found.tolist() == pytest.approx(expected)

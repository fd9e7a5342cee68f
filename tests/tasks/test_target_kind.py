"""Answers stay within what the target can be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.tasks.dialogue import converse
from service.tasks.forecast import Forecast, forecast

from .gaussian import FLAT, gaussian

ROW = [-3.5, -1.25, -0.25, 2.5, 7.125]


def answered(row: list[float], *, wanted: list[float] | None = None, **task: object) -> Forecast:
    asked = forecast(gaussian(1, **task).task, [FLAT], quantiles=wanted)
    return converse(asked, lambda _inputs: {"quantiles": np.array([[row]], np.float32)})[0]


def first_step(answer: Forecast) -> list[float]:
    return [float(values[0]) for values in answer.quantiles.values()]


def test_a_target_of_any_value_is_answered_as_the_model_has_it():
    answer = answered(ROW)

    assert answer.point.tolist() == [-0.25]
    assert first_step(answer) == ROW


def test_nothing_is_answered_below_the_least_value():
    answer = answered(ROW, lower=-1.0)

    assert answer.point.tolist() == [-0.25]
    assert first_step(answer) == [-1, -1, -0.25, 2.5, 7.125]


def test_counts_are_rounded_to_the_nearest_and_their_quantiles_outwards():
    answer = answered([0.25, 1.75, 2.75, 3.125, 7.125], lower=0.0, integer=True)

    assert answer.point.tolist() == [3]
    assert first_step(answer) == [0, 1, 3, 4, 8]


def test_whole_numbers_may_be_negative_where_nothing_forbids_it():
    answer = answered(ROW, integer=True)

    assert first_step(answer) == [-4, -2, 0, 3, 8]
    assert str(answer.point[0]) == "0.0"  # and not -0.0


@given(st.lists(st.floats(-50, 50, width=32), min_size=5, max_size=5).map(sorted))
def test_rounded_quantiles_never_cross(row: list[float]):
    answer = answered(row, wanted=[0.05, 0.3, 0.5, 0.6, 0.95], lower=0.0, integer=True)

    assert first_step(answer) == sorted(first_step(answer))
    assert answer.point.tolist() == [answer.quantiles["0.5"][0]]

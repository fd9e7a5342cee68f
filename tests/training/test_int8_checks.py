"""The bounds of graphs in int8, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.windows import WindowBatch
from training.learners.int8_checks import classify_checks, forecast_checks, next_word_checks

NOTHING = np.empty((2, 4, 0), np.float32)
BATCH = WindowBatch(
    target=np.array([[0, 2, 0, 2], [np.nan, 10, 30, 20]], np.float32),  # mean deviations 1 and 20 / 3
    past=NOTHING,
    future=NOTHING,
    static=np.empty((2, 0), np.int64),
    actual=np.array([[1.0], [20.0]], np.float32),
)


def forecasts(first, second):
    return np.array([[[first]], [[second]]], np.float32)


def values(checks):
    return {check.measure: check.value for check in checks}


def test_forecasts_are_compared_by_their_errors_and_by_how_far_they_move():
    found = forecast_checks(forecasts(2, 22), forecasts(2.5, 22), [BATCH], levels=(0.5,))
    assert values(found) == pytest.approx({"mae_ratio": 3.5 / 3, "pinball_ratio": 3.5 / 3, "shift_p95": 0.475})
    assert [check.kept for check in found] == [False, False, False]


def test_the_same_forecasts_keep_every_bound():
    found = forecast_checks(forecasts(2, 22), forecasts(2, 22), [BATCH], levels=(0.5,))
    assert values(found) == {"mae_ratio": 1.0, "pinball_ratio": 1.0, "shift_p95": 0.0}
    assert all(check.kept for check in found)


def test_forecasts_that_are_no_numbers_keep_none():
    found = forecast_checks(forecasts(2, 22), forecasts(np.nan, np.nan), [BATCH], levels=(0.5,))
    assert not any(check.kept for check in found)


def test_a_perfect_forecast_may_move_a_little():
    found = forecast_checks(forecasts(1, 20), forecasts(1, 20.01), [BATCH], levels=(0.5,))
    assert values(found)["mae_ratio"] == pytest.approx(1.005)


def test_texts_are_compared_by_perplexity_and_by_the_words_that_are_found():
    before = np.log([0.5, 0.25, 0.125, 0.5]), np.array([0, 2, 5, 9])
    after = np.log([0.5, 0.25, 0.125, 0.25]), np.array([1, 3, 4, 0])
    words = np.array([True, True, True, False])
    found = next_word_checks(before, after, words=words)
    assert values(found) == pytest.approx({"perplexity_ratio": 2**0.25, "top3_agreement": 2 / 3})
    assert not any(check.kept for check in found)


def test_a_perplexity_without_end_is_out_of_every_bound():
    ranks = np.array([0])
    [ratio, agreement] = next_word_checks((np.log([0.5]), ranks), (np.array([-np.inf]), ranks), words=np.array([False]))
    assert (ratio.value, ratio.kept) == (1e6, False)
    assert (agreement.value, agreement.kept) == (1.0, True)


def test_classifiers_are_compared_by_the_accuracy_that_is_lost():
    labels = np.array([0, 1, 1, 0])
    right, wrong = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]]), np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.7, 0.3]])
    [lost], [won] = classify_checks(right, wrong, labels=labels), classify_checks(wrong, right, labels=labels)
    assert (lost.measure, lost.value, lost.kept) == ("accuracy_drop", 0.25, False)
    assert (won.value, won.kept) == (-0.25, True)

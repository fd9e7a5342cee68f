import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.metrics import (
    accuracy,
    confusion_matrix,
    coverage,
    interval_score,
    mae,
    mase,
    owa,
    perplexity,
    pinball,
    rmse,
    score_forecasts,
    seasonal_scale,
    smape,
    top_k_accuracy,
)

NAN = np.nan


def floats(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_errors_of_points_are_those_of_the_formulas():
    actual, predicted = floats([1, 2, 4]), floats([2, 2, 1])
    assert mae(actual, predicted) == pytest.approx(4 / 3)
    assert rmse(actual, predicted) == pytest.approx(math.sqrt(10 / 3))
    assert smape(actual, predicted) == pytest.approx((200 / 3 + 0 + 120) / 3)


def test_missing_actual_values_do_not_count():
    actual, predicted = floats([1, NAN], [NAN, 5]), floats([3, 100], [100, 4])
    assert mae(actual, predicted) == 1.5
    assert coverage(actual, predicted - 1, predicted + 1) == 0.5
    assert pinball(actual, predicted[..., None], [0.5]) == 0.75


def test_without_an_actual_value_a_measure_is_not_a_number():
    assert math.isnan(mae(floats([NAN]), floats([1])))


def test_smape_of_zeros_is_zero():
    assert smape(floats([0, 0]), floats([0, 1])) == 100


def test_mase_scales_each_row_by_its_own_seasonal_steps():
    history = floats([1, 2, 3, 4], [0, 0, 10, 10])
    scale = seasonal_scale(history, 2)
    assert scale.tolist() == [2, 10]
    assert mase(floats([5], [0]), floats([6], [5]), scale) == 0.5


def test_rows_without_a_scale_do_not_count():
    history = floats([7, 7, 7], [1, NAN, 3], [1, 2, 3])
    scale = seasonal_scale(history, 1)
    np.testing.assert_array_equal(scale, [NAN, NAN, 1])
    assert mase(floats([9], [9], [4]), floats([0], [0], [6]), scale) == 2
    assert np.isnan(seasonal_scale(history, 3)).all()


def test_owa_is_the_mean_of_both_ratios():
    assert owa({"smape": 10, "mase": 1}, {"smape": 20, "mase": 0.5}) == 1.25


def test_pinball_weighs_misses_by_level():
    quantiles = floats([1, 2, 3])[:, None]  # (1, 1, 3)
    assert pinball(floats([4]), quantiles, [0.1, 0.5, 0.9]) == pytest.approx((0.3 + 1 + 0.9) / 3)
    assert pinball(floats([0]), quantiles, [0.1, 0.5, 0.9]) == pytest.approx((0.9 + 1 + 0.3) / 3)


def test_the_interval_score_adds_what_lies_outside():
    actual, low, high = floats([5, 0, 12]), floats([4, 4, 4]), floats([10, 10, 10])
    assert interval_score(actual, low, high, alpha=0.2) == pytest.approx(6 + (40 + 20) / 3)


@given(arrays(np.float32, 12, elements=st.floats(-1000, 1000, width=32)), st.floats(0.01, 0.99))
def test_no_constant_has_less_pinball_loss_than_the_quantile(values: np.ndarray, level: float):
    quantile = np.quantile(values, level, method="inverted_cdf")
    best = pinball(values[:, None], np.full((12, 1, 1), quantile, np.float32), [level])
    for other in (values.min(), values.mean(), values.max()):
        assert best <= pinball(values[:, None], np.full((12, 1, 1), other, np.float32), [level]) + 1e-3


def test_a_forecaster_is_scored_beside_naive_forecasts_on_the_same_windows():
    target = floats([1, 2, 1, 2], [5, 5, 5, 6])
    actual = floats([1, 2], [5, NAN])
    quantiles = np.stack([actual - 1, actual, actual + 1], axis=-1)
    quantiles[1, 1] = 0
    model, baselines = score_forecasts(target=target, actual=actual, quantiles=quantiles, levels=(0.1, 0.5, 0.9), seasons=(2, 168))
    assert list(model) == ["mae", "rmse", "smape", "mase", "pinball", "coverage_0.1_0.9", "interval_score"]
    assert (model["mae"], model["coverage_0.1_0.9"], model["interval_score"]) == (0, 1, 2)
    assert model["pinball"] == pytest.approx(0.2 / 3)
    assert list(baselines) == ["last_value", "seasonal_naive_2"]
    assert baselines["last_value"]["mae"] == pytest.approx((1 + 0 + 1) / 3)
    assert baselines["seasonal_naive_2"]["mae"] == 0


def test_a_measure_without_a_value_is_left_out():
    model, baselines = score_forecasts(
        target=floats([3, 3]), actual=floats([4]), quantiles=floats([3])[..., None], levels=(0.5,), seasons=()
    )
    assert model == {"mae": 1.0, "rmse": 1.0, "smape": pytest.approx(200 / 7), "pinball": 0.5}
    assert "mase" not in baselines["last_value"]


def test_an_uneven_pair_of_levels_has_no_interval_score():
    model, _ = score_forecasts(target=floats([3, 4]), actual=floats([4]), quantiles=floats([3, 5])[:, None], levels=(0.2, 0.5), seasons=())
    assert "interval_score" not in model
    assert model["coverage_0.2_0.5"] == 1


def test_accuracy_and_confusion_count_labels_against_predictions():
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    assert accuracy(labels, predicted) == 0.5
    assert confusion_matrix(labels, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_top_k_counts_ranks_below_k():
    assert top_k_accuracy(np.array([0, 1, 2, 5]), 1) == 0.25
    assert top_k_accuracy(np.array([0, 1, 2, 5]), 3) == 0.75
    assert top_k_accuracy(np.array([], np.int64), 3) == 0


def test_perplexity_of_a_uniform_choice_is_its_size():
    assert perplexity(10 * math.log(50), 10) == pytest.approx(50)
    assert perplexity(1e6, 1) == math.inf

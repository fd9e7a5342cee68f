"""Conformal offsets, and the correlation of the errors of neighbouring steps."""

import numpy as np
import pytest

from training.learners.forecast_calibration import conformal_offsets, step_correlation

LEVELS = (0.1, 0.5, 0.9)


def windows(count, horizon, *, spread, seed=0):
    """Actual values drawn around 0, and quantiles that take them for standard normal."""
    actual = np.random.default_rng(seed).normal(0, spread, (count, horizon)).astype(np.float32)
    quantiles = np.broadcast_to(np.float32([-1.2816, 0.0, 1.2816]), (count, horizon, 3))
    return actual, quantiles


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
def test_intervals_too_narrow_or_too_wide_cover_what_they_say_once_they_are_moved(spread):
    actual, quantiles = windows(2000, 4, spread=spread)
    offsets = conformal_offsets(actual=actual, quantiles=quantiles, scale=np.ones((2000, 1), np.float32), levels=LEVELS)
    later, _ = windows(2000, 4, spread=spread, seed=1)

    moved = quantiles + offsets
    covered = np.mean((later >= moved[..., 0]) & (later <= moved[..., 2]))

    assert covered == pytest.approx(0.8, abs=0.02)
    assert not offsets[:, 1].any()


def test_offsets_are_in_scales_of_each_window():
    actual, quantiles = windows(500, 3, spread=1.0)
    sizes = np.float32(10.0) ** np.arange(500).clip(0, 9)[:, None]
    alone = conformal_offsets(actual=actual, quantiles=quantiles, scale=np.ones((500, 1), np.float32), levels=LEVELS)
    sized = conformal_offsets(actual=actual * sizes, quantiles=quantiles * sizes[..., None], scale=sizes, levels=LEVELS)
    np.testing.assert_allclose(sized, alone, atol=1e-5)


def test_a_few_windows_move_nothing():
    actual, quantiles = windows(19, 3, spread=5.0)
    assert not conformal_offsets(actual=actual, quantiles=quantiles, scale=np.ones((19, 1), np.float32), levels=LEVELS).any()


def test_values_that_are_not_known_do_not_count():
    actual, quantiles = windows(400, 3, spread=2.0)
    scale = np.ones((400, 1), np.float32)
    gappy = np.concatenate([actual, np.full((100, 3), np.nan, np.float32)])
    found = conformal_offsets(
        actual=gappy, quantiles=np.concatenate([quantiles, quantiles[:100]]), scale=np.ones((500, 1), np.float32), levels=LEVELS
    )
    np.testing.assert_array_equal(found, conformal_offsets(actual=actual, quantiles=quantiles, scale=scale, levels=LEVELS))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_the_correlation_of_neighbouring_errors_is_found_whatever_the_size_of_the_series(correlation):
    generator = np.random.default_rng(0)
    errors = generator.normal(size=(3000, 6))
    for step in range(1, 6):
        errors[:, step] = correlation * errors[:, step - 1] + np.sqrt(1 - correlation**2) * errors[:, step]
    median = np.zeros((3000, 6), np.float32)
    assert step_correlation(actual=errors.astype(np.float32), median=median) == pytest.approx(correlation, abs=0.02)


def test_a_single_step_and_a_few_windows_tell_no_correlation():
    assert step_correlation(actual=np.ones((100, 1), np.float32), median=np.zeros((100, 1), np.float32)) is None
    assert step_correlation(actual=np.ones((5, 4), np.float32), median=np.zeros((5, 4), np.float32)) is None

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.baselines import last_value, seasonal_naive

NAN = np.nan


def floats(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_the_last_observed_value_is_repeated():
    np.testing.assert_array_equal(last_value(floats([1, 2, NAN], [NAN, NAN, NAN]), 2), [[2, 2], [NAN, NAN]])


def test_the_last_season_is_repeated():
    np.testing.assert_array_equal(seasonal_naive(floats([9, 1, 2, 3]), 3, 5), [[1, 2, 3, 1, 2]])


def test_a_value_missing_in_the_last_season_comes_from_the_one_before():
    np.testing.assert_array_equal(seasonal_naive(floats([1, 2, 3, 4, NAN, 6]), 3, 3), [[4, 2, 6]])


def test_where_no_season_has_a_value_the_last_one_serves():
    np.testing.assert_array_equal(seasonal_naive(floats([NAN, 2, 3, NAN, 5, 6]), 3, 3), [[6, 5, 6]])


def test_a_history_shorter_than_the_season_gives_what_it_has():
    np.testing.assert_array_equal(seasonal_naive(floats([4, 5]), 3, 3), [[5, 4, 5]])


@given(season=st.integers(1, 6), seasons=st.integers(1, 4), horizon=st.integers(1, 12))
def test_a_periodic_series_is_forecast_without_error(season: int, seasons: int, horizon: int):
    series = np.resize(np.arange(season, dtype=np.float32), season * seasons + horizon)[None]
    np.testing.assert_array_equal(seasonal_naive(series[:, : season * seasons], season, horizon), series[:, season * seasons :])

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.frequency import Frequency
from service.contract.manifest import Data
from training.data.files import DataError
from training.data.series import Series, SeriesTable
from training.data.windows import Split, Windows, training_rows

NAN = np.nan
SHARES = {"validation": 0.2, "test": 0.2}


def table_of(*targets: list[float], calendar: tuple[str, ...] = ()) -> SeriesTable:
    """Series whose `past` is the target times ten and whose `future` is the step's number."""
    series = []
    for number, target in enumerate(targets):
        values = np.array(target, np.float32)
        steps = np.arange(len(values), dtype=np.float32)[:, None]
        series.append(Series(str(number), np.datetime64("2026-01-01T00:00:00"), values, values[:, None] * 10, steps))
    data = Data(source="made", sha256="0" * 64, rows=0)
    return SeriesTable(tuple(series), Frequency(1, "h"), calendar, data, ())


def windows_of(table: SeriesTable, split: Split, *, context: int = 3, horizon: int = 2, min_context: int = 1, **shares: float) -> Windows:
    return Windows(table, split, context=context, horizon=horizon, min_context=min_context, **{**SHARES, **shares})


def test_splits_follow_each_other_and_share_no_forecast_step():
    table = table_of(list(range(20)))
    origins = {split: windows_of(table, split).index[:, 1].tolist() for split in ("train", "validation", "test")}
    assert origins == {"train": list(range(1, 11)), "validation": [12, 13, 14], "test": [16, 17, 18]}


def test_without_a_validation_share_the_training_windows_serve():
    table = table_of(list(range(20)))
    assert windows_of(table, "validation", validation=0).index.tolist() == windows_of(table, "train", validation=0).index.tolist()


def test_without_a_test_share_the_validation_windows_serve():
    table = table_of(list(range(20)))
    assert windows_of(table, "test", test=0).index.tolist() == windows_of(table, "validation", test=0).index.tolist()
    assert len(windows_of(table, "test", test=0, validation=0)) == 18


def test_a_batch_holds_history_covariates_and_what_came_true():
    windows = windows_of(table_of(list(range(100, 120))), "test")
    batch = windows.batch(np.array([0, 2]))
    np.testing.assert_array_equal(batch.target, [[113, 114, 115], [115, 116, 117]])
    np.testing.assert_array_equal(batch.actual, [[116, 117], [118, 119]])
    np.testing.assert_array_equal(batch.past[..., 0], [[1130, 1140, 1150], [1150, 1160, 1170]])
    np.testing.assert_array_equal(batch.future[..., 0], [[13, 14, 15, 16, 17], [15, 16, 17, 18, 19]])
    assert {array.dtype for array in (batch.target, batch.past, batch.future, batch.actual)} == {np.dtype(np.float32)}


def test_a_short_history_is_padded_on_the_left():
    batch = windows_of(table_of(list(range(50)), list(range(20))), "train").batch(np.array([0]))
    np.testing.assert_array_equal(batch.target, [[NAN, NAN, 0]])
    np.testing.assert_array_equal(batch.future[0, :, 0], [NAN, NAN, 0, 1, 2])


def test_the_history_of_a_series_never_reaches_into_the_series_before():
    windows = windows_of(table_of([1000.0] * 20, list(range(20))), "train", context=5)
    second = np.flatnonzero(windows.index[:, 0] == 1)
    assert np.nanmax(windows.batch(second).target) < 1000


def test_calendar_features_follow_the_columns_of_the_file():
    batch = windows_of(table_of(list(range(20)), calendar=("hour_of_day",)), "train").batch(np.array([5]))
    np.testing.assert_allclose(batch.future[0, :, 1], np.arange(3, 8) / 24 - 0.5, atol=1e-6)


def test_series_without_covariates_give_columns_of_width_0():
    table = table_of(list(range(20)))
    bare = Series("0", table.series[0].start, table.series[0].target, np.empty((20, 0), np.float32), np.empty((20, 0), np.float32))
    batch = windows_of(SeriesTable((bare,), table.frequency, (), table.data, ()), "train").batch(np.array([0, 1]))
    assert (batch.past.shape, batch.future.shape) == ((2, 3, 0), (2, 5, 0))


def test_windows_without_enough_history_or_any_actual_value_are_left_out():
    target = [0, NAN, NAN, 3, 4, 5, NAN, NAN, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    origins = windows_of(table_of(target), "train", min_context=2).index[:, 1].tolist()
    assert origins == [5, 7, 10]


def test_no_window_at_all_is_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"no window for validation: no history of 3 steps has 3 observed values .* give more rows"):
        windows_of(table_of([*range(8), *[NAN] * 8, *range(4)]), "validation", min_context=3)


def test_thinned_positions_are_evenly_spaced_and_keep_both_ends():
    windows = windows_of(table_of(list(range(200))), "train")
    assert windows.thinned(5).tolist() == [0, 29, 58, 88, 117]
    assert windows.thinned(10_000).tolist() == list(range(len(windows)))


def test_training_rows_end_where_validation_begins():
    target, past, future = training_rows(table_of(list(range(20)), [7.0] * 10), horizon=2, **SHARES)
    assert target.tolist() == [*range(12), *[7.0] * 6]
    assert past[:, 0].tolist() == [value * 10 for value in target]
    assert future[-1, 0] == 5


@given(
    lengths=st.lists(st.integers(12, 40), min_size=1, max_size=3),
    context=st.integers(1, 9),
    horizon=st.integers(1, 3),
    split=st.sampled_from(["train", "validation", "test"]),
)
def test_a_gathered_window_is_the_slice_of_its_series(lengths: list[int], context: int, horizon: int, split: Split):
    table = table_of(*[[100.0 * number + step for step in range(length)] for number, length in enumerate(lengths)])
    windows = windows_of(table, split, context=context, horizon=horizon)
    batch = windows.batch(np.arange(len(windows)))
    for row, (number, origin) in enumerate(windows.index.tolist()):
        target = table.series[number].target
        history = target[max(origin - context, 0) : origin]
        np.testing.assert_array_equal(batch.target[row, context - len(history) :], history)
        assert np.isnan(batch.target[row, : context - len(history)]).all()
        np.testing.assert_array_equal(batch.actual[row], target[origin : origin + horizon])

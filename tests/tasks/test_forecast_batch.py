from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.contract.frequency import Times
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError
from service.tasks.forecast import History, encode, on_grid
from service.tasks.forecast_batch import encode_panel
from service.tasks.panel import Panel, runs_of
from tests import artifacts

NAN = float("nan")
TASKS = {
    "plain": artifacts.forecaster(),
    "calendar": artifacts.forecaster(calendar=("day_of_week", "day_of_month")),
    "months": artifacts.forecaster(calendar=("month_of_year",), frequency="MS"),
    "business days": artifacts.forecaster(past=("wind",), calendar=("day_of_week",), frequency="B"),
    "past and future": artifacts.forecaster(past=("wind",), future=("price", "sun"), calendar=("hour_of_day",), frequency="6h"),
    "future": artifacts.forecaster(future=("price",)),
}
NUMBERS = st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32))


def task_of(name: str) -> ForecastTask:
    task = TASKS[name].task
    assert isinstance(task, ForecastTask)
    return task


def panel_of(*series: tuple[list[str], list[float]]) -> Panel:
    """Each with its times and values."""
    bounds = np.cumsum([0, *(len(times) for times, _ in series)])
    times = np.array([time for times, _ in series for time in times], "datetime64[s]")
    return Panel(bounds, times, np.array([value for _, values in series for value in values], np.float64))


@st.composite
def panels(draw: st.DrawFn, task: ForecastTask, horizon: int) -> Panel:
    """Series of any length, with steps left out and values missing; where the task needs it, with rows of the horizon.

    Some have the times of the one before, and some have them out of order.
    """
    times, values, bounds = [], [], [0]
    columns: dict[str, list[float]] = {name: [] for name in (*task.past, *task.future)}
    for _ in range(draw(st.integers(1, 6))):
        if not times or draw(st.booleans()):
            times.append(draw(times_of(task, horizon)))
        else:
            times.append(times[-1])
        ahead = horizon if task.future else 0
        count = len(times[-1]) - ahead
        values += [*draw(st.lists(NUMBERS, min_size=count - 1, max_size=count - 1)), 7.0, *[NAN] * ahead]
        bounds.append(bounds[-1] + len(times[-1]))
        for column in columns.values():
            column.extend(draw(st.lists(NUMBERS, min_size=len(times[-1]), max_size=len(times[-1]))))
    arrays = {name: np.array(column, np.float64) for name, column in columns.items()}
    past, future = ({name: arrays[name] for name in names} for names in (task.past, task.future))
    return Panel(np.array(bounds), np.concatenate(times), np.array(values, np.float64), past, future)


@st.composite
def times_of(draw: st.DrawFn, task: ForecastTask, horizon: int) -> Times:
    """Times of a series, some steps left out, then those of the horizon where the task needs rows of it."""
    steps = np.cumsum(draw(st.lists(st.sampled_from([1, 1, 1, 2, 5]), min_size=1, max_size=12)))
    if task.future:
        steps = np.concatenate([steps, steps[-1] + np.arange(1, horizon + 1)])
    start = np.datetime64("2025-01-01") + draw(st.integers(0, 40)) * 31
    grid = task.clock.frequency.span(task.clock.frequency.span(start.astype("datetime64[s]"), 1)[0], int(steps[-1]) + 1)
    return grid[steps]


def sharing(panel: Panel) -> Panel:
    """The same series, each run of neighbours with the same times having them once."""
    runs = runs_of(panel.times.view(np.int64), panel.bounds)
    times = [panel.times[panel.bounds[first] : panel.bounds[first + 1]] for first in runs[:-1]]
    return replace(panel, runs=runs, times=np.concatenate(times))


def shuffled(panel: Panel, generator: np.random.Generator) -> Panel:
    """The same series with their rows in another order, neighbours of one length in the same one."""
    orders = {int(length): generator.permutation(length) for length in np.diff(panel.bounds)}
    rows = np.concatenate(
        [begin + orders[length] for begin, length in zip(panel.bounds[:-1].tolist(), np.diff(panel.bounds).tolist(), strict=True)]
    )
    past, future = ({name: column[rows] for name, column in columns.items()} for columns in (panel.past, panel.future))
    return replace(panel, times=panel.times[rows], values=panel.values[rows], past=past, future=future)


def only(panel: Panel, series: int) -> Panel:
    """One series of it."""
    rows = slice(*panel.bounds[series : series + 2].tolist())
    past, future = ({name: column[rows] for name, column in columns.items()} for columns in (panel.past, panel.future))
    return Panel(np.array([0, rows.stop - rows.start]), panel.times[rows], panel.values[rows], past, future)


def history_of(task: ForecastTask, panel: Panel, horizon: int) -> History:
    """The one series of a panel, as a request would have it."""
    time = len(panel.values) - (horizon if task.future else 0)
    history = History(
        panel.values[:time].astype(np.float32),
        past={name: column[:time].astype(np.float32) for name, column in panel.past.items()},
        future={name: column.astype(np.float32) for name, column in panel.future.items()},
    )
    return on_grid(task, history, [str(moment) for moment in panel.times[:time]], where=())


@pytest.mark.parametrize("name", TASKS)
@given(data=st.data())
def test_many_series_are_encoded_as_each_alone(name: str, data: st.DataObject):
    task, horizon = task_of(name), data.draw(st.sampled_from([2, 3]))
    panel = data.draw(panels(task, horizon))
    encoded = encode_panel(task, panel, horizon=horizon)
    rows = {int(series): row for row, series in enumerate(encoded.kept)}

    for series in range(len(panel)):
        history = history_of(task, only(panel, series), horizon)
        if series in encoded.refused:
            with pytest.raises(QuestionError, match=re.escape(encoded.refused[series])):
                encode(task, [history], horizon=horizon)
            continue
        alone = encode(task, [history], horizon=horizon)
        row = rows[series]
        assert encoded.inputs.keys() == alone.keys()
        for tensor, expected in alone.items():
            assert encoded.inputs[tensor].dtype == np.float32
            np.testing.assert_array_equal(encoded.inputs[tensor][row], expected[0])
        assert history.start is not None
        ahead = task.clock.frequency.span(history.start, len(history.values) + horizon)[-horizon:]
        np.testing.assert_array_equal(encoded.ahead[row], ahead)


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 5))
def test_series_that_share_their_times_or_have_rows_in_any_order_are_encoded_as_the_others(name: str, data: st.DataObject, seed: int):
    task = task_of(name)
    panel = data.draw(panels(task, 2))
    expected = encode_panel(task, panel, horizon=2)

    for same in (sharing(panel), sharing(shuffled(panel, np.random.default_rng(seed)))):
        encoded = encode_panel(task, same, horizon=2)

        assert encoded.refused == expected.refused
        assert encoded.kept.tolist() == expected.kept.tolist()
        assert encoded.inputs.keys() == expected.inputs.keys()
        for tensor, values in expected.inputs.items():
            np.testing.assert_array_equal(encoded.inputs[tensor], values)
        np.testing.assert_array_equal(encoded.ahead, expected.ahead)


def test_a_run_ends_where_a_series_has_another_length_or_another_time():
    stamps = np.array([1, 2, 3, 1, 2, 3, 1, 2, 4, 1, 2, 1, 2])

    assert runs_of(stamps, np.array([0, 3, 6, 9, 11, 13])).tolist() == [0, 2, 3, 5]
    assert runs_of(stamps[:3], np.array([0, 3])).tolist() == [0, 1]


def test_series_that_share_their_times_may_have_histories_of_different_lengths():
    times = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
    panel = panel_of((times, [1, 2, NAN, NAN]), (times, [1, 2, 3, NAN]), (times, [1, 2, 3, 4]), (times, [5, 6, NAN, NAN]))
    panel = sharing(replace(panel, future={"price": np.tile([1.0, 2.0, 3.0, 4.0], 4)}))

    encoded = encode_panel(task_of("future"), panel, horizon=1)

    assert len(panel.times) == 4
    assert list(encoded.refused) == [2]
    assert encoded.kept.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(encoded.inputs["target"][:, -3:], [[NAN, 1, 2], [1, 2, 3], [NAN, 5, 6]])
    assert encoded.inputs["future"][:, 5:7, 0].tolist() == [[2, 3], [3, 4], [2, 3]]
    assert encoded.ahead.astype("datetime64[D]").tolist() == [[date(2026, 1, 3)], [date(2026, 1, 4)], [date(2026, 1, 3)]]


def test_columns_of_32_bits_stay_as_they_are():
    wide = panel_of((["2026-01-01", "2026-01-02"], [0.1, 0.2]), (["2026-01-01", "2026-01-02"], [1.0, float("inf")]))

    found, expected = (
        encode_panel(task_of("plain"), panel, horizon=1) for panel in (replace(wide, values=wide.values.astype(np.float32)), wide)
    )

    assert found.refused == expected.refused == {1: "inf is beyond the range of a 32-bit float"}
    np.testing.assert_array_equal(found.inputs["target"], expected.inputs["target"])


def test_rows_of_a_series_may_come_in_any_order():
    encoded = encode_panel(task_of("plain"), panel_of((["2026-01-03", "2026-01-01", "2026-01-02"], [3, 1, 2])), horizon=1)

    np.testing.assert_array_equal(encoded.inputs["target"], np.array([[NAN] * 3 + [1, 2, 3]], np.float32))
    assert encoded.ahead.astype("datetime64[D]").tolist() == [[np.datetime64("2026-01-04").item()]]


@pytest.mark.parametrize(
    ("times", "values", "reason"),
    [
        (["2026-01-01"], [1], "1 observed values in the last 6: this model needs at least 2"),
        (["2026-01-01", "2026-01-01"], [1, 2], "two rows have the time 2026-01-01T00:00:00: keep one of them"),
        (
            ["2026-01-01T00", "2026-01-02T06"],
            [1, 2],
            "2026-01-02T06:00:00 is not a whole number of steps of D after 2026-01-01T00:00:00, or too far from it",
        ),
        (["2026-01-01", "NaT"], [1, 2], "a row has no time, or one that local clocks leapt over: correct it or remove the row"),
        (["2026-01-01", "2026-01-02"], [1, 1e39], "1e+39 is beyond the range of a 32-bit float"),
        (["1726-01-01", "2026-01-02"], [1, 1], "the times leave out 109573 steps of D: keep the rows after the gap"),
    ],
)
def test_a_series_that_cannot_be_forecast_is_told_why_and_costs_the_others_nothing(times: list[str], values: list[float], reason: str):
    good = (["2026-01-01", "2026-01-02"], [1.0, 2.0])

    encoded = encode_panel(task_of("plain"), panel_of(good, (times, values), good), horizon=3)

    assert encoded.refused == {1: reason}
    assert encoded.kept.tolist() == [0, 2]
    assert encoded.inputs["target"].shape == (2, 6)


def test_covariates_known_ahead_must_reach_over_the_horizon():
    panel = panel_of((["2026-01-01", "2026-01-02", "2026-01-03"], [1, 2, NAN]))
    panel = replace(panel, future={"price": np.array([1.0, 2.0, 3.0])})

    encoded = encode_panel(task_of("future"), panel, horizon=2)

    assert encoded.refused == {
        0: "1 steps after the last value of 'load': add rows with price for 2 of them, without a value of 'load'",
    }


def test_an_overlong_series_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.tasks.panel.MAX_SERIES_ROWS", 2)

    encoded = encode_panel(task_of("plain"), panel_of((["2026-01-01", "2026-01-02", "2026-01-03"], [1, 2, 3])), horizon=1)

    assert encoded.refused == {0: "over 2 rows: keep the newest"}
    assert encoded.inputs == {}

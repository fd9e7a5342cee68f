from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, converse
from service.tasks.forecast import Forecast, History, column, columns, encode, forecast, on_grid
from service.tasks.timestamps import parse_time
from tests import artifacts

PLAIN = artifacts.forecaster()
COVARIATES = artifacts.forecaster(past=("wind",), future=("price",))
CALENDAR = artifacts.forecaster(calendar=("day_of_week",))
NAN = float("nan")


def task_of(tiny: artifacts.Tiny) -> ForecastTask:
    assert isinstance(tiny.task, ForecastTask)
    return tiny.task


def history(*values: float | None, start: str | None = None, offset: timedelta | None = None, **more: object) -> History:
    return History(column(values, where=()), start=None if start is None else np.datetime64(start, "s"), offset=offset, **more)


def ask(tiny: artifacts.Tiny, *histories: History, **choice: object) -> list[Forecast]:
    return converse(forecast(task_of(tiny), histories, **choice), tiny.run)


def lists(table: dict[str, np.ndarray]) -> dict[str, list[float]]:
    return {level: values.tolist() for level, values in table.items()}


def test_a_forecast_has_its_quantiles_and_their_median():
    [answer] = ask(PLAIN, history(1, 2, 3, id="a"))

    assert answer.id == "a"
    assert answer.timestamps is None
    assert answer.point.tolist() == [3, 3, 3]
    assert lists(answer.quantiles) == {"0.1": [2, 2, 2], "0.5": [3, 3, 3], "0.9": [4, 4, 4]}
    assert answer.context_used == 3


def test_several_histories_are_one_batch_in_order():
    answers = ask(PLAIN, history(1, 2), history(*range(20)), history(5, None, 7))

    assert [answer.point[0] for answer in answers] == [2, 19, 7]
    assert [answer.context_used for answer in answers] == [2, 6, 3]


def test_no_history_gets_no_answer():
    assert ask(PLAIN) == []


def test_a_shorter_horizon_and_some_quantiles_can_be_asked():
    [answer] = ask(PLAIN, history(1, 2), horizon=2, quantiles=[0.9])

    assert answer.point.tolist() == [2, 2]
    assert lists(answer.quantiles) == {"0.9": [3, 3]}


def test_a_short_history_is_padded_on_the_left_and_a_long_one_cut():
    inputs = encode(task_of(PLAIN), [history(1, 2), history(*range(10))], horizon=3)

    np.testing.assert_array_equal(inputs["target"], np.array([[NAN] * 4 + [1, 2], [4, 5, 6, 7, 8, 9]], np.float32))


def test_covariates_reach_the_graph_in_its_order():
    known = {"future": {"price": column([0, 0, 10, 20, 30], where=())}, "past": {"wind": column([2, 4], where=())}}

    inputs = encode(task_of(COVARIATES), [history(1, 2, **known)], horizon=3)

    np.testing.assert_array_equal(inputs["past"][0, :, 0], np.array([NAN] * 4 + [2, 4], np.float32))
    np.testing.assert_array_equal(inputs["future"][0, :, 0], np.array([NAN] * 4 + [0, 0, 10, 20, 30], np.float32))


def test_covariates_of_a_shorter_horizon_are_missing_beyond_it():
    known = {"future": {"price": column([0, 0, 10], where=())}, "past": {"wind": column([2, 4], where=())}}

    inputs = encode(task_of(COVARIATES), [history(1, 2, **known)], horizon=1)

    np.testing.assert_array_equal(inputs["future"][0, :, 0], np.array([NAN] * 4 + [0, 0, 10, NAN, NAN], np.float32))


def test_the_calendar_is_derived_from_the_start():
    friday, saturday, sunday, monday = 4 / 6, 5 / 6, 1.0, 0.0

    inputs = encode(task_of(CALENDAR), [history(1, 2, start="2026-01-30")], horizon=3)

    assert inputs["future"][0, 4:, 0].tolist() == pytest.approx([day - 0.5 for day in (friday, saturday, sunday, monday, 1 / 6)])


def test_forecasts_have_the_times_that_follow():
    [answer] = ask(CALENDAR, history(1, 2, start="2026-01-30"), horizon=2)

    assert answer.timestamps == ["2026-02-01T00:00:00", "2026-02-02T00:00:00"]


@pytest.mark.parametrize(("minutes", "text"), [(330, "+05:30"), (-210, "-03:30"), (0, "+00:00")])
def test_times_keep_their_offset_from_utc(minutes: int, text: str):
    [answer] = ask(PLAIN, history(1, 2, start="2026-01-30", offset=timedelta(minutes=minutes)), horizon=1)

    assert answer.timestamps == [f"2026-02-01T00:00:00{text}"]


@pytest.mark.parametrize(
    ("tiny", "asked", "choice", "message", "where"),
    [
        (PLAIN, history(1), {}, "1 observed values in the last 6: this model needs at least 2", ("series", 0, "values")),
        (PLAIN, history(1, 2, *[None] * 6), {}, "0 observed values in the last 6", ("series", 0, "values")),
        (PLAIN, history(1, 2), {"horizon": 4}, "horizon 4: this model forecasts 1 to 3 steps", ("horizon",)),
        (PLAIN, history(1, 2), {"horizon": 0}, "horizon 0: this model forecasts 1 to 3 steps", ("horizon",)),
        (PLAIN, history(1, 2), {"quantiles": [0.5, 0.95]}, "quantile 0.95: this model answers quantiles from 0.1 to 0.9", ("quantiles", 1)),
        (
            PLAIN,
            history(1, 2, past={"wind": column([1, 2], where=())}),
            {},
            "unknown covariate 'wind': this model takes none here",
            ("series", 0, "past", "wind"),
        ),
        (COVARIATES, history(1, 2), {}, "covariate 'wind' is missing: this model takes wind here", ("series", 0, "past")),
        (
            COVARIATES,
            history(1, 2, past={"wind": column([1, 2], where=()), "price": column([1, 2], where=())}),
            {},
            "unknown covariate 'price': this model takes wind here, and 'price' in `future`",
            ("series", 0, "past", "price"),
        ),
        (
            COVARIATES,
            history(1, 2, past={"wind": column([1], where=())}, future={"price": column([1] * 5, where=())}),
            {},
            "1 values of 'wind' beside 2 of the series: send one for each",
            ("series", 0, "past", "wind"),
        ),
        (
            COVARIATES,
            history(1, 2, past={"wind": column([1, 2], where=())}, future={"price": column([1] * 4, where=())}),
            {},
            "4 values of 'price': send 5, 2 over the history and 3 over the horizon",
            ("series", 0, "future", "price"),
        ),
        (CALENDAR, history(1, 2), {}, "this model uses the calendar: send `start` or `timestamps` with the series", ("series", 0, "start")),
    ],
)
def test_what_the_model_cannot_answer_is_refused_with_what_it_takes(
    tiny: artifacts.Tiny, asked: History, choice: dict[str, object], message: str, where: tuple[str | int, ...]
):
    with pytest.raises(QuestionError) as refusal:
        ask(tiny, asked, **choice)

    assert refusal.value.message.startswith(message)
    assert refusal.value.where == where


def test_numbers_beyond_a_float_are_refused_with_their_place():
    with pytest.raises(QuestionError, match="1e\\+39 is beyond the range of a 32-bit float") as refusal:
        column([1, None, 1e39], where=("series", 3, "values"))

    assert refusal.value.where == ("series", 3, "values", 2)


def test_steps_without_a_row_become_missing_values():
    known = history(1, 2, 3, past={"wind": column([1, 2, 3], where=())}, future={"price": column([1, 2, 3, 4, 5, 6], where=())})

    spread = on_grid(task_of(COVARIATES), known, ["2026-01-01", "2026-01-02", "2026-01-05"], where=())

    np.testing.assert_array_equal(spread.values, np.array([1, 2, NAN, NAN, 3], np.float32))
    np.testing.assert_array_equal(spread.past["wind"], np.array([1, 2, NAN, NAN, 3], np.float32))
    np.testing.assert_array_equal(spread.future["price"], np.array([1, 2, NAN, NAN, 3, 4, 5, 6], np.float32))
    assert spread.start == np.datetime64("2026-01-01", "s")


def test_regular_times_change_no_value():
    spread = on_grid(task_of(PLAIN), history(1, 2), ["2026-01-01T06:00:00", "2026-01-02T06:00:00"], where=())

    assert spread.values.tolist() == [1, 2]
    assert spread.start == np.datetime64("2026-01-01T06:00:00", "s")


@pytest.mark.parametrize(
    "timestamps",
    [
        ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T01:00:00+02:00"],  # clocks went forward
        ["2026-03-28T00:00:00+01:00", "2026-03-28T23:00:00Z", "2026-03-29T23:00:00Z"],
        ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"],  # days of the wall calendar
    ],
)
def test_times_with_offsets_are_the_same_moments_in_the_first_offset(timestamps: Sequence[str]):
    spread = on_grid(task_of(PLAIN), history(1, 2, 3), timestamps, where=())

    assert spread.values.tolist() == [1, 2, 3]
    assert spread.offset == timedelta(hours=1)


@pytest.mark.parametrize(
    ("timestamps", "message", "where"),
    [
        (["2026-01-01"], "1 timestamps for 2 values: send one for each", ("timestamps",)),
        (["2026-01-01", "soon"], "'soon' is not a time: write ISO 8601, such as 2026-01-31T09:00:00", ("timestamps", 1)),
        (["2026-01-02", "2026-01-01"], "timestamps must rise: 2026-01-01 follows 2026-01-02", ("timestamps", 1)),
        (["2026-01-01", "2026-01-01"], "timestamps must rise", ("timestamps", 1)),
        (
            ["2026-01-01", "2026-01-02T01:00:00"],
            "2026-01-02T01:00:00 is not a whole number of steps of D after 2026-01-01",
            ("timestamps", 1),
        ),
        (["0001-01-01", "9000-01-01"], "9000-01-01 is not a whole number of steps", ("timestamps", 1)),
        (["1700-01-01", "2026-01-01"], "the timestamps leave out 119068 steps of D: send a shorter history", ("timestamps",)),
        (["2026-01-01", "2026-01-02T00:00:00Z"], "some timestamps have an offset from UTC and some have none", ("timestamps", 1)),
        (["2026-01-01T00:00:00Z", "2026-01-02"], "some timestamps have an offset from UTC and some have none", ("timestamps", 1)),
    ],
)
def test_times_that_are_on_no_grid_are_refused_with_their_place(timestamps: list[str], message: str, where: tuple[str | int, ...]):
    with pytest.raises(QuestionError) as refusal:
        on_grid(task_of(PLAIN), history(1, 2), timestamps, where=("series", 0))

    assert refusal.value.message.startswith(message)
    assert refusal.value.where == ("series", 0, *where)


def test_a_series_of_business_days_begins_on_one():
    weekdays = artifacts.forecaster(frequency="B")

    with pytest.raises(QuestionError, match="2026-01-31 is no business day") as refusal:
        on_grid(task_of(weekdays), history(1, 2), ["2026-01-31", "2026-02-02"], where=())

    assert refusal.value.where == ("timestamps", 0)


def test_an_offset_is_read_beside_the_wall_time():
    assert parse_time("2026-01-31T09:00:00+05:30", where=()) == (np.datetime64("2026-01-31T09:00:00", "s"), timedelta(hours=5, minutes=30))
    assert parse_time("2026-01-31", where=()) == (np.datetime64("2026-01-31T00:00:00", "s"), None)


@given(st.lists(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=9), min_size=1, max_size=5))
def test_a_batch_answers_as_each_history_alone(values: list[list[float]]):
    together = ask(PLAIN, *(history(*one) for one in values))

    assert [answer.point.tolist() for answer in together] == [ask(PLAIN, history(*one))[0].point.tolist() for one in values]


def test_columns_of_any_lengths_become_numbers_together():
    found = columns({("values",): [1, 2.5], ("past", "wind"): [], ("future", "price"): [4.0, 5, 6e37]})

    assert {where: values.tolist() for where, values in found.items()} == {
        ("values",): [1, 2.5],
        ("past", "wind"): [],
        ("future", "price"): [4, 5, pytest.approx(6e37, rel=1e-7)],
    }
    assert all(values.dtype == np.float32 for values in found.values())


def test_what_is_missing_in_columns_becomes_nan():
    found = columns({("values",): [1, None], ("past", "wind"): [2, 3]})

    np.testing.assert_array_equal(found[("values",)], np.array([1, NAN], np.float32))
    np.testing.assert_array_equal(found["past", "wind"], np.array([2, 3], np.float32))


def test_a_number_beyond_a_float_in_columns_is_refused_with_its_column():
    with pytest.raises(QuestionError, match="-1e\\+39 is beyond") as refusal:
        columns({("values",): [1, 2], ("past", "wind"): [3, -1e39]})

    assert refusal.value.where == ("past", "wind", 1)

"""Forecasts beyond the trained horizon: what is fed back, and how intervals widen."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, converse
from service.tasks.forecast import Extras, Forecast, History, column, forecast
from service.tasks.rolling import widened
from tests import artifacts

from .gaussian import gaussian

PLAIN = artifacts.forecaster()
PRICED = artifacts.forecaster(future=("price",))
CALENDAR = artifacts.forecaster(calendar=("day_of_week",))
NAN = float("nan")


def history(*values: float, start: str | None = None, **more: object) -> History:
    return History(column(values, where=()), start=None if start is None else np.datetime64(start, "s"), **more)


def priced(*prices: float) -> dict[str, object]:
    return {"future": {"price": column(prices, where=())}}


def ask(tiny: artifacts.Tiny, *histories: History, horizon: int, **choice: object) -> list[Forecast]:
    assert isinstance(tiny.task, ForecastTask)
    return converse(forecast(tiny.task, histories, horizon=horizon, extend=True, **choice), tiny.run)


def test_a_longer_horizon_is_rolled_forward_and_says_so():
    [answer] = ask(PLAIN, history(1, 2), horizon=7)

    assert answer.point.tolist() == [2] * 7
    assert answer.extended_from == 3
    assert answer.context_used == 2


def test_each_block_widens_the_intervals_as_independent_errors_add_up():
    [answer] = ask(PLAIN, history(1, 2), horizon=7)

    spread = [1, 1, 1, sqrt(2), sqrt(2), sqrt(2), sqrt(3)]
    np.testing.assert_allclose(answer.quantiles["0.9"], [2 + wide for wide in spread], rtol=1e-6)
    np.testing.assert_allclose(answer.quantiles["0.1"], [2 - wide for wide in spread], rtol=1e-6)


def test_a_horizon_within_the_trained_one_is_answered_as_ever():
    [extended] = ask(PLAIN, history(1, 2), horizon=3)

    assert extended.extended_from is None
    assert extended.quantiles["0.9"].tolist() == [3, 3, 3]


def test_the_medians_of_a_block_are_the_history_of_the_next():
    prices = priced(0, 0, 1, 2, 3, 4, 5, 6, 7)

    first, second = ask(PRICED, history(10, 20, **prices), history(0, 10, **prices), horizon=7)

    assert first.point.tolist() == [21, 22, 23, 27, 28, 29, 36]
    assert second.point.tolist() == [11, 12, 13, 17, 18, 19, 26]


def test_the_calendar_goes_on():
    saturday, sunday, monday, tuesday = 5 / 6 - 0.5, 0.5, -0.5, 1 / 6 - 0.5

    [answer] = ask(CALENDAR, history(1, 2, start="2026-01-29"), horizon=4)  # a Thursday and a Friday

    last = 2 + monday
    assert answer.point.tolist() == pytest.approx([2 + saturday, 2 + sunday, last, last + tuesday])
    assert answer.timestamps == [f"2026-{day}T00:00:00" for day in ("01-31", "02-01", "02-02", "02-03")]


def test_past_covariates_are_missing_from_where_they_are_not_known():
    tiny = artifacts.forecaster(past=("wind",))
    seen: list[Tensors] = []

    def run(inputs: Tensors) -> Tensors:
        seen.append(inputs)
        return {"quantiles": np.tile(np.array([1, 2, 3], np.float32), (1, 3, 1))}

    wind = {"wind": column([5, 6], where=())}
    converse(forecast(tiny.task, [history(8, 9, past=wind)], horizon=5, extend=True), run)

    np.testing.assert_array_equal(seen[0]["past"][0, :, 0], np.array([NAN, NAN, NAN, NAN, 5, 6], np.float32))
    np.testing.assert_array_equal(seen[1]["past"][0, :, 0], np.array([NAN, 5, 6, NAN, NAN, NAN], np.float32))
    np.testing.assert_array_equal(seen[1]["target"][0], np.array([NAN, 8, 9, 2, 2, 2], np.float32))


def test_a_forecast_below_what_the_target_can_be_is_not_fed_back():
    task = gaussian(2, lower=0.0).task
    seen: list[Tensors] = []

    def run(inputs: Tensors) -> Tensors:
        seen.append(inputs)
        return {"quantiles": np.full((1, 2, 5), -7, np.float32)}

    [answer] = converse(forecast(task, [history(1, 2)], horizon=3, extend=True), run)

    assert seen[1]["target"].tolist() == [[1, 2, 0, 0]]
    assert answer.point.tolist() == [0, 0, 0]


def test_the_sum_over_a_longer_horizon_is_wider_than_over_the_trained_one():
    model = gaussian(6)

    [short] = model.ask(aggregate="sum", level=(90,))
    [long] = converse(forecast(model.task, [history(1)], horizon=12, extend=True, extras=Extras((90,), aggregate="sum")), model.run)

    width = {steps: one.aggregate.intervals["90"]["high"] - one.aggregate.intervals["90"]["low"] for steps, one in ((6, short), (12, long))}
    assert width[12] > 1.8 * width[6]


@pytest.mark.parametrize(
    ("tiny", "asked", "horizon", "message", "where"),
    [
        (PLAIN, history(1, 2), 31, "horizon 31: this model forecasts 1 to 30 steps", ("horizon",)),
        (
            PRICED,
            history(1, 2, **priced(1, 2, 3, 4, 5)),
            7,
            "5 values of 'price': send 9, 2 over the history and 7 over the horizon",
            ("series", 0, "future", "price"),
        ),
        (PRICED, history(1, 2), 7, "covariate 'price' is missing", ("series", 0, "future")),
        (CALENDAR, history(1, 2), 4, "this model uses the calendar", ("series", 0, "start")),
        (PLAIN, history(1), 7, "1 observed values in the last 6", ("series", 0, "values")),
    ],
)
def test_what_cannot_be_rolled_forward_is_refused(
    tiny: artifacts.Tiny, asked: History, horizon: int, message: str, where: tuple[str | int, ...]
):
    with pytest.raises(QuestionError) as refusal:
        ask(tiny, asked, horizon=horizon)

    assert refusal.value.message.startswith(message)
    assert refusal.value.where == where


def test_a_longer_horizon_is_not_rolled_forward_by_itself():
    with pytest.raises(
        QuestionError, match="horizon 4: this model forecasts 1 to 3 steps; with `extend` it is rolled forward, up to 30 steps"
    ):
        converse(forecast(PLAIN.task, [history(1, 2)], horizon=4), PLAIN.run)


def test_more_steps_than_one_question_may_ask_are_refused():
    task = gaussian(1000).task

    with pytest.raises(QuestionError, match="101 series x 10000 steps rolled forward: at most 1000000 in one request"):
        next(forecast(task, [history(1)] * 101, horizon=10_000, extend=True))


def test_a_width_beyond_a_float_is_refused():
    task = gaussian(1).task

    with pytest.raises(QuestionError, match="beyond the range of a 32-bit float"):
        converse(
            forecast(task, [history(1)], horizon=2, extend=True),
            lambda _inputs: {"quantiles": np.array([[[-3.3e38, -3.2e38, 0, 3.2e38, 3.3e38]]], np.float32)},
        )


_ROWS = st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=5, max_size=5).map(sorted), min_size=1, max_size=4)


@given(before=_ROWS, fresh=_ROWS)
def test_wherever_a_block_begins_levels_do_not_cross_and_come_no_nearer_to_the_median(before: list[list[float]], fresh: list[list[float]]):
    earlier, own = (np.array([rows], np.float32) for rows in (before, fresh))

    wide = widened(own, earlier, median=2)

    assert (np.diff(wide, axis=-1) >= 0).all()
    np.testing.assert_array_equal(wide[..., 2], own[..., 2])
    distances = np.abs(np.concatenate([earlier, wide], axis=1).astype(np.float64) - np.concatenate([earlier, wide], axis=1)[..., 2:3])
    least = np.maximum.accumulate(distances, axis=1)[:, earlier.shape[1] :]
    np.testing.assert_allclose(distances[:, earlier.shape[1] :], least, rtol=1e-5, atol=0.3)  # a float's step at 1e6 is .06

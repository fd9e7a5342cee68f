from __future__ import annotations

import numpy as np
import pytest

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, converse
from service.tasks.explain import Effect, Explanation, Segment, explain
from service.tasks.history import History, column

NAN = float("nan")
TASK = ForecastTask(
    target="load",
    horizon=3,
    context=6,
    min_context=2,
    frequency="D",
    quantiles=(0.1, 0.5, 0.9),
    past=("wind", "rain"),
    future=("price",),
    calendar=("day_of_week",),
)
NOTHING = Effect(0.0, 0.0)


def history(length: int = 6, *, ahead: int = 3) -> History:
    return History(
        np.arange(length, dtype=np.float32),
        past={"wind": np.full(length, 2, np.float32), "rain": np.full(length, 5, np.float32)},
        future={"price": np.full(length + ahead, 1, np.float32)},
        start=np.datetime64("2026-01-05", "s"),
    )


def weather(inputs: Tensors) -> Tensors:
    """Last value of the series, less twice the mean wind, plus ten times the price of each step; rain and calendar play no part."""
    last = np.nan_to_num(inputs["target"][:, -1])
    wind = np.nan_to_num(inputs["past"][:, -2:, 0]).mean(axis=1)
    price = np.nan_to_num(inputs["future"][:, -3:, 0])  # (batch, horizon)
    median = (last - 2 * wind)[:, np.newaxis] + 10 * price
    return {"quantiles": np.stack([median - 1, median, median + 1], axis=-1).astype(np.float32)}


def ask(*histories: History, task: ForecastTask = TASK, horizon: int | None = None) -> list[Explanation]:
    return converse(explain(task, histories, horizon=horizon), weather)


def test_covariates_have_the_size_and_the_sign_of_what_they_do_the_greatest_first():
    [found] = ask(history())

    assert list(found.covariates.items()) == [
        ("price", Effect(10.0, 10.0)),
        ("wind", Effect(4.0, -4.0)),
        ("rain", NOTHING),
        ("day_of_week", NOTHING),
    ]


def test_parts_of_the_history_have_their_place_and_what_they_do():
    [found] = ask(history())

    assert found.history[0] == Segment(-1, 0, Effect(5.0, 5.0))
    assert [(segment.from_step, segment.to_step) for segment in found.history[1:]] == [(-6, -5), (-5, -4), (-4, -3), (-3, -2), (-2, -1)]
    assert {segment.effect for segment in found.history[1:]} == {NOTHING}


def test_a_long_history_is_cut_into_ten_parts_of_what_the_graph_sees():
    task = TASK.model_copy(update={"context": 25})

    [found] = ask(history(40), task=task)

    parts = sorted((segment.from_step, segment.to_step) for segment in found.history)
    assert parts == [(-25, -23), (-23, -20), (-20, -18), (-18, -15), (-15, -13), (-13, -10), (-10, -8), (-8, -5), (-5, -3), (-3, 0)]


def test_changes_up_and_down_do_not_make_up_for_each_other_in_the_effect():
    known = History(
        np.ones(4, np.float32),
        past={name: np.zeros(4, np.float32) for name in ("wind", "rain")},
        future={"price": column([0, 0, 0, 0, 3, -3, 0], where=())},
        start=np.datetime64("2026-01-05", "s"),
    )

    [found] = ask(known)

    assert found.covariates["price"] == Effect(20.0, 0.0)


def test_only_the_steps_that_are_asked_for_count():
    known = History(
        np.ones(4, np.float32),
        past={name: np.zeros(4, np.float32) for name in ("wind", "rain")},
        future={"price": column([0, 0, 0, 0, 3], where=())},
        start=np.datetime64("2026-01-05", "s"),
    )

    [found] = ask(known, horizon=1)

    assert found.covariates["price"] == Effect(30.0, 30.0)


def test_of_a_horizon_beyond_the_trained_one_the_trained_steps_are_explained():
    assert ask(history(ahead=9), horizon=9) == ask(history())


def test_a_covariate_known_both_before_and_ahead_is_one_input():
    task = TASK.model_copy(update={"past": ("wind", "price")})
    both = History(
        np.ones(4, np.float32),
        past={name: np.ones(4, np.float32) for name in ("wind", "price")},
        future={"price": np.ones(7, np.float32)},
        start=np.datetime64("2026-01-05", "s"),
    )
    step = next(explain(task, [both]))

    blind = [row for row in range(len(step.inputs["past"])) if np.isnan(step.inputs["past"][row, :, 1]).all()]
    assert blind == [row for row in range(len(step.inputs["future"])) if np.isnan(step.inputs["future"][row, :, 0]).all()] == [2]


def test_series_are_explained_in_one_run_as_each_alone():
    histories = [history(4), history(6), history(20)]

    step = next(explain(TASK, histories))

    assert len(step.inputs["target"]) == (1 + 4 + 4) + (1 + 4 + 6) + (1 + 4 + 6)
    assert ask(*histories) == [ask(one)[0] for one in histories]


def test_a_target_that_cannot_be_negative_is_explained_in_what_it_can_be():
    [found] = ask(history(), task=TASK.model_copy(update={"lower": 8.0}))

    assert found.covariates["price"] == Effect(3.0, 3.0)  # 11 with it, 1 without: at least 8


def test_what_the_graph_cannot_do_without_has_no_effect_and_comes_last():
    def run(inputs: Tensors) -> Tensors:
        answer = weather(inputs)["quantiles"]
        answer[np.isnan(inputs["past"][:, -1, 0])] = np.inf
        return {"quantiles": answer}

    [found] = converse(explain(TASK, [history()]), run)

    assert list(found.covariates) == ["price", "rain", "day_of_week", "wind"]
    assert np.isnan(found.covariates["wind"].effect)
    assert np.isnan(found.covariates["wind"].change)


def test_a_single_step_of_history_is_not_cut():
    task = TASK.model_copy(update={"min_context": 1})

    [found] = ask(history(1), task=task)

    assert found.history == []
    assert found.covariates["price"] == Effect(10.0, 10.0)


def test_no_history_gets_no_explanation():
    assert ask() == []


def test_more_series_than_can_be_explained_are_refused_at_once():
    with pytest.raises(QuestionError, match="67 series: this model explains at most 66 in one request") as refusal:
        explain(TASK, [history()] * 67)

    assert refusal.value.where == ("explain",)

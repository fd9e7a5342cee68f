from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.tasks.anomalies import Anomalies, Judged, anomalies, scores
from service.tasks.dialogue import QuestionError, converse
from service.tasks.history import History, column
from tests import artifacts

EIGHT = np.array([7, 8, 9], np.float32)
# low, point, high of every step: the last value less 1, itself, and plus 1; context 6, at least 2 observed, horizon 3
PLAIN = artifacts.forecaster()


def task_of(tiny: artifacts.Tiny) -> ForecastTask:
    assert isinstance(tiny.task, ForecastTask)
    return tiny.task


def series(*values: float | None, **more: object) -> History:
    return History(column(values, where=()), **more)


def judge(*histories: History, **choice: object) -> Anomalies:
    return converse(anomalies(task_of(PLAIN), histories, **choice), PLAIN.run)


def judge_one(history: History, **choice: object) -> Judged:
    [judged] = judge(history, **choice).series
    return judged


def steps(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def normal(level: float) -> float:
    return NormalDist().inv_cdf(level)


def test_each_step_is_held_against_what_was_known_before_it():
    judged = judge_one(series(1, 2, 2.5, 9, 9, id="a"))

    assert judged.id == "a"
    assert judged.first_step == 2
    assert judged.timestamps is None
    assert judged.values.tolist() == [2.5, 9, 9]
    assert judged.point.tolist() == [2, 2.5, 9]
    assert judged.low.tolist() == [1, 1.5, 8]
    assert judged.high.tolist() == [3, 3.5, 10]
    assert judged.score.tolist() == [0.5, 6.5, 0]
    assert judged.anomaly.tolist() == [False, True, False]


def test_a_forecast_may_judge_several_steps():
    judged = judge_one(series(0, 0, 10, 20, 30, 40, 50), ahead=2)

    assert judged.first_step == 2
    assert judged.point.tolist() == [0, 10, 10, 30, 30]  # forecasts see 2, 3 and 5 steps: the last one judges as many as the others


def test_the_newest_steps_alone_can_be_judged():
    judged = judge_one(series(*range(10)), last=2)

    assert judged.first_step == 8
    assert judged.point.tolist() == [7, 8]


def test_more_than_there_is_is_what_can_be_judged():
    assert judge_one(series(1, 2, 3, 4), last=100).first_step == 2


def test_a_missing_value_has_no_score_and_is_no_anomaly():
    judged = judge_one(series(1, 2, None, 2), ahead=2)

    assert steps(judged.point) == [2, 2]
    assert steps(judged.score) == [None, 0]
    assert judged.anomaly.tolist() == [False, False]


def test_steps_with_too_little_before_them_are_not_judged():
    history = series(1, 2, *[None] * 5, 3, 4, 9)

    found = converse(anomalies(task_of(PLAIN), [history]), lambda inputs: {"quantiles": np.tile(EIGHT, (len(inputs["target"]), 3, 1))})

    [judged] = found.series
    assert judged.first_step == 2
    assert steps(judged.point) == [8, 8, 8, 8, 8, None, None, 8]
    assert steps(judged.score) == [None] * 7 + [1]
    assert not judged.anomaly.any()


def test_a_planted_spike_is_found_and_nothing_else():
    values = [5 + 0.5 * (step % 2) for step in range(200)]
    values[120] = 20.0

    judged = judge_one(series(*values), ahead=3)

    found = np.flatnonzero(judged.anomaly) + judged.first_step
    assert found[0] == 120
    assert set(found) <= {120, 121, 122, 123}  # the spike is the last value that the next forecast sees


def seasonal(inputs: Tensors) -> Tensors:
    """What was three steps before each step, or the median of the history where that is missing; the interval is 1 to either side."""
    season = inputs["target"][:, -3:]
    median = np.where(np.isnan(season), np.nanmedian(inputs["target"], axis=1, keepdims=True), season)
    return {"quantiles": np.stack([median - 1, median, median + 1], axis=-1)}


def test_a_spike_is_expected_again_a_season_later_unless_it_is_forgotten():
    values = [5.0] * 40
    values[20] = 9.0

    def found(**choice: float) -> list[int]:
        [judged] = converse(anomalies(task_of(PLAIN), [series(*values)], **choice), seasonal).series
        assert judged.values[20 - judged.first_step] == 9
        return (np.flatnonzero(judged.anomaly) + judged.first_step).tolist()

    assert found() == [20, 23]
    assert found(forget_beyond=3) == [20]
    assert found(forget_beyond=5) == [20, 23]


@pytest.mark.parametrize(("percent", "share"), [(80, 0.20), (90, 0.10), (95, 0.05), (50, 0.50)])
def test_a_calm_series_is_outside_as_often_as_the_level_says(percent: float, share: float):
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    task = task_of(PLAIN).model_copy(update={"quantiles": levels})
    calm = History(np.random.default_rng(1).normal(10, 2, 9000).astype(np.float32))
    interval = np.array([10 + 2 * normal(level) for level in levels], np.float32)

    found = converse(
        anomalies(task, [calm], percent=percent), lambda inputs: {"quantiles": np.tile(interval, (len(inputs["target"]), 3, 1))}
    )

    assert found.percent == percent
    assert found.series[0].anomaly.mean() == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize(
    ("levels", "percent"), [((0.025, 0.5, 0.975), 95), ((0.005, 0.5, 0.995), 95), ((0.1, 0.5, 0.9), 80), ((0.1, 0.5, 0.6), 20)]
)
def test_the_interval_is_of_95_percent_or_the_widest_that_there_is(levels: tuple[float, ...], percent: float):
    task = task_of(PLAIN).model_copy(update={"quantiles": levels})

    assert converse(anomalies(task, [series(1, 2, 3)]), PLAIN.run).percent == pytest.approx(percent)


def test_answers_are_those_that_the_target_can_have():
    task = task_of(PLAIN).model_copy(update={"lower": 0.0, "integer": True})

    [judged] = converse(anomalies(task, [series(0, 0, 0, 3)], percent=60), PLAIN.run).series

    assert judged.low.tolist() == [0, 0]
    assert judged.point.tolist() == [0, 0]
    assert judged.high.tolist() == [1, 1]
    assert judged.anomaly.tolist() == [False, True]


def test_times_are_those_of_the_steps_that_are_judged():
    judged = judge_one(series(1, 2, 3, 4, start=np.datetime64("2026-01-30", "s")))

    assert judged.timestamps == ["2026-02-01T00:00:00", "2026-02-02T00:00:00"]


def test_several_series_are_answered_in_their_order():
    found = judge(series(1, 2, 3), series(*range(10)), series(5, 5, 5, 9))

    assert [judged.first_step for judged in found.series] == [2, 2, 2]
    assert [judged.point.tolist() for judged in found.series] == [[2], [1, 2, 3, 4, 5, 6, 7, 8], [5, 5]]
    assert [int(judged.anomaly.sum()) for judged in found.series] == [0, 0, 1]


def test_no_history_gets_no_answer():
    assert judge().series == []


def test_a_point_interval_tells_any_difference_but_that_of_rounding():
    same = np.array([3, 3, 0, 0], np.float32)
    values = np.array([3, 4, 0, -1], np.float32)

    found = scores(values, same, same, same)

    assert found[[0, 2]].tolist() == [0, 0]
    assert found[1] > 1e6
    assert found[3] < -1e6


def test_a_score_counts_half_intervals_of_its_own_side():
    point, low, high = (np.full(4, value, np.float32) for value in (10, 8, 16))

    found = scores(np.array([13, 16, 9, 4], np.float32), point, low, high)

    assert found.tolist() == [0.5, 1, -0.5, -3]


@pytest.mark.parametrize(
    ("asked", "choice", "message", "where"),
    [
        (series(1, 2), {}, "2 steps, 2 of them observed: each is judged from at least 2 observed ones", ("series", 0, "values")),
        (series(), {}, "0 steps, 0 of them observed", ("series", 0, "values")),
        (series(1, 2, *[None] * 7, 3), {"last": 2}, "10 steps, 3 of them observed and the last 2 to be judged", ("series", 0, "values")),
        (series(1, 2, 3), {"ahead": 4}, "ahead 4: this model forecasts 1 to 3 steps", ("ahead",)),
        (series(1, 2, 3), {"percent": 95}, "level 95 needs quantiles 0.025 and 0.975: this model answers quantiles from 0.1", ("level",)),
        (series(1, 2, 3, past={"wind": column([1, 2, 3], where=())}), {}, "unknown covariate 'wind'", ("series", 0, "past", "wind")),
        (series(*range(10_003)), {}, "10001 forecasts of 10001 steps: at most 10000", ("last",)),
    ],
)
def test_what_the_model_cannot_judge_is_refused_with_what_it_takes(
    asked: History, choice: dict[str, object], message: str, where: tuple[str | int, ...]
):
    with pytest.raises(QuestionError) as refusal:
        judge(asked, **choice)

    assert refusal.value.message.startswith(message)
    assert refusal.value.where == where


def test_a_model_of_the_median_alone_has_no_interval_to_judge_by():
    task = task_of(PLAIN).model_copy(update={"quantiles": (0.5,)})

    with pytest.raises(QuestionError, match="do not lie on both sides of its median") as refusal:
        converse(anomalies(task, [series(1, 2, 3)]), PLAIN.run)

    assert refusal.value.where == ("level",)


def test_a_forecast_that_is_no_number_is_an_error_and_not_an_answer():
    def run(inputs: Tensors) -> Tensors:
        return {"quantiles": np.where(inputs["target"][:, -1:, np.newaxis] == 8, np.inf, np.ones((1, 3, 3))).astype(np.float32)}

    with pytest.raises(QuestionError, match="beyond the range of a 32-bit float") as refusal:
        converse(anomalies(task_of(PLAIN), [series(1, 2, 3), series(1, 8, 3)]), run)

    assert refusal.value.where == ("series", 1)

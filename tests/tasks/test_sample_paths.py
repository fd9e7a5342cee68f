"""Sample paths, and the sums and means that are counted from them, of a model whose errors are known."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError
from service.tasks.forecast import Forecast
from service.tasks.sample_paths import Draws, draw, paths_of

from .gaussian import FLAT, Gaussian, gaussian

CORRELATION = 0.8


def simulated_paths(model: Gaussian, *, paths: int, seed: int) -> NDArray[np.float64]:
    """What comes true where errors are normal and correlate as r to the power of the steps between them, (paths, horizon)."""
    steps = np.arange(model.task.horizon)
    correlations = CORRELATION ** np.abs(steps[:, None] - steps)
    scores = np.random.default_rng(seed).standard_normal((paths, len(steps))) @ np.linalg.cholesky(correlations).T
    return model.mean + model.deviation * scores


def covered(answer: Forecast, totals: NDArray[np.float64]) -> float:
    """Share of totals inside the 90% interval."""
    assert answer.aggregate is not None
    assert answer.aggregate.intervals is not None
    interval = answer.aggregate.intervals["90"]
    return float(np.mean((totals >= interval["low"]) & (totals <= interval["high"])))


def test_the_90_percent_interval_of_a_sum_holds_90_percent_of_sums():
    model = gaussian(correlation=CORRELATION)
    totals = simulated_paths(model, paths=20_000, seed=1).sum(axis=1)

    [answer] = model.ask(level=(90,), aggregate="sum")

    assert 0.88 <= covered(answer, totals) <= 0.92
    assert answer.aggregate.point == pytest.approx(model.mean.sum(), rel=0.01)


def test_the_90_percent_interval_of_a_mean_holds_90_percent_of_means():
    model = gaussian(correlation=CORRELATION)
    means = simulated_paths(model, paths=20_000, seed=2).mean(axis=1)

    [answer] = model.ask(level=(90,), aggregate="mean")

    assert 0.88 <= covered(answer, means) <= 0.92


def test_steps_taken_for_independent_or_for_one_would_not():
    model = gaussian(correlation=CORRELATION)
    totals = simulated_paths(model, paths=20_000, seed=1).sum(axis=1)

    [independent] = model.ask(level=(90,), aggregate="sum", step_correlation=0.0)
    [plain] = model.ask(level=(90,))
    low, high = (plain.intervals["90"][end].sum() for end in ("low", "high"))

    assert covered(independent, totals) < 0.6
    assert np.mean((totals >= low) & (totals <= high)) > 0.98


def test_an_aggregate_has_the_levels_that_were_asked_for_and_the_same_answer_again():
    model = gaussian()

    [first] = model.ask(quantiles=[0.1, 0.5], aggregate="sum")
    [again] = model.ask(quantiles=[0.1, 0.5], aggregate="sum")

    assert first.aggregate == again.aggregate
    assert first.aggregate.kind == "sum"
    assert first.aggregate.intervals is None
    assert list(first.aggregate.quantiles) == ["0.1", "0.5"]
    assert first.aggregate.quantiles["0.1"] < first.aggregate.quantiles["0.5"] == first.aggregate.point


def test_an_aggregate_is_of_the_horizon_that_was_asked_for():
    model = gaussian()

    [answer] = model.ask(horizon=1, aggregate="sum")

    assert answer.aggregate.point == pytest.approx(10, abs=0.1)
    assert answer.aggregate.quantiles["0.95"] == pytest.approx(11.645, abs=0.1)


def test_a_long_aggregate_is_counted_in_pieces(monkeypatch: pytest.MonkeyPatch):
    model = gaussian()
    [whole] = model.ask(aggregate="sum")
    monkeypatch.setattr("service.tasks.aggregate.MOST_AT_ONCE", 24 * 300)

    [pieces] = model.ask(aggregate="sum")

    assert pieces.aggregate.point == pytest.approx(whole.aggregate.point, rel=0.02)
    assert pieces.aggregate.quantiles["0.95"] == pytest.approx(whole.aggregate.quantiles["0.95"], rel=0.02)


def test_the_total_of_a_series_is_the_same_beside_others():
    model = gaussian()

    [alone] = model.ask(aggregate="sum")
    together = model.ask(FLAT, FLAT, aggregate="sum")

    assert [one.aggregate for one in together] == [alone.aggregate] * 2


def test_paths_have_the_quantiles_of_each_step_and_the_correlation_of_its_neighbours():
    model = gaussian(levels=(0.25, 0.5, 0.75))

    [answer] = model.ask(samples=1000, seed=5)

    assert answer.samples.shape == (1000, 24)
    np.testing.assert_allclose((answer.samples < answer.quantiles["0.25"]).mean(axis=0), 0.25, atol=0.06)
    np.testing.assert_allclose((answer.samples < answer.quantiles["0.75"]).mean(axis=0), 0.75, atol=0.06)
    neighbours = [np.corrcoef(answer.samples[:, step], answer.samples[:, step + 1])[0, 1] for step in range(23)]
    assert np.mean(neighbours) == pytest.approx(0.8, abs=0.03)


def test_between_and_beyond_its_levels_a_normal_step_stays_normal():
    model = gaussian()
    scores = np.array([[-4.0] * 24, [-0.3] * 24, [0.0] * 24, [1.2] * 24, [4.0] * 24])
    table = model.run({"target": np.zeros((1, 4))})["quantiles"][0].T

    np.testing.assert_allclose(paths_of(model.task, table, Draws.of(model.task, scores)), model.mean + model.deviation * scores, rtol=1e-5)


EVEN_SCORES = np.array([[NormalDist().inv_cdf((path + 0.5) / 2000)] for path in range(2000)])
"""Of a single step: each path stands for as much of the distribution as any other."""


@given(steps=st.lists(st.floats(0, 10, width=32), min_size=5, max_size=5), lower=st.sampled_from([None, 0.0]))
def test_as_many_paths_lie_below_each_quantile_as_its_level_says(steps: list[float], lower: float | None):
    task = gaussian(horizon=1, lower=lower).task
    table = np.cumsum(steps, dtype=np.float32)[:, np.newaxis]

    paths = paths_of(task, table, Draws.of(task, EVEN_SCORES))

    for level, value in zip(task.quantiles, table[:, 0], strict=True):
        assert np.mean(paths < value - 1e-5) - 1e-3 <= level <= np.mean(paths <= value + 1e-5) + 1e-3


@given(middle=st.floats(-100, 100), near=st.floats(0, 10), far=st.floats(0, 10))
def test_paths_of_a_symmetric_step_have_its_median_for_their_mean(middle: float, near: float, far: float):
    task = gaussian(horizon=1).task
    table = np.array([[-near - far], [-near], [0], [near], [near + far]], np.float32) + np.float32(middle)

    paths = paths_of(task, table, Draws.of(task, EVEN_SCORES))

    assert paths.mean(dtype=np.float64) == pytest.approx(middle, abs=1e-3)


def test_the_mean_of_an_exponential_step_comes_out_a_little_low_and_not_high():
    durations = np.random.default_rng(3).exponential(size=400_000)
    task = gaussian(horizon=1, levels=(0.1, 0.25, 0.5, 0.75, 0.9), lower=0.0).task
    table = np.quantile(durations, task.quantiles).astype(np.float32)[:, np.newaxis]

    paths = paths_of(task, table, Draws.of(task, EVEN_SCORES))

    assert paths.mean() == pytest.approx(0.985, abs=0.005)
    assert durations.mean() == pytest.approx(1.0, abs=0.005)


def test_scores_of_paths_are_standard_normal_at_every_step():
    scores = draw(gaussian().task, 4000, 12, correlation=0.9, generator=np.random.default_rng(0)).scores

    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(scores.std(axis=0), 1, atol=0.06)
    assert np.corrcoef(scores[:, 3], scores[:, 6])[0, 1] == pytest.approx(0.9**3, abs=0.03)


def test_paths_with_a_seed_can_be_drawn_again_and_others_each_time_without():
    model = gaussian()

    first, again, other = (model.ask(samples=5, seed=seed)[0].samples for seed in (1, 1, 2))
    free, freer = (model.ask(samples=5)[0].samples for _ in range(2))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(free, freer)


def test_two_series_of_one_question_are_drawn_apart():
    first, second = gaussian().ask(FLAT, FLAT, samples=3, seed=1)

    assert not np.array_equal(first.samples, second.samples)


def test_without_a_wish_nothing_is_drawn():
    [answer] = gaussian().ask()

    assert answer.samples is None
    assert answer.aggregate is None


def test_paths_and_their_sum_are_such_as_the_target_can_have():
    model = gaussian(lower=0.0, integer=True)
    low = Gaussian(model.task, model.mean - 10, model.deviation)

    [answer] = low.ask(samples=200, seed=1, aggregate="sum")

    assert answer.samples.min() == 0
    np.testing.assert_array_equal(answer.samples, np.rint(answer.samples))
    assert all(total == round(total) >= 0 for total in answer.aggregate.quantiles.values())
    assert answer.aggregate.quantiles["0.5"] == answer.aggregate.point


def test_a_mean_of_counts_need_not_be_a_count():
    [answer] = gaussian(lower=0.0, integer=True).ask(aggregate="mean")

    assert answer.aggregate.point % 1 != 0


@pytest.mark.parametrize(
    ("model", "asked", "message", "where"),
    [
        (
            gaussian(correlation=None),
            {"samples": 1},
            "this model was published without the correlation of its errors",
            ("step_correlation",),
        ),
        (
            gaussian(correlation=None),
            {"aggregate": "sum"},
            "this model was published without the correlation of its errors from step to step: send it as `step_correlation`",
            ("step_correlation",),
        ),
        (gaussian(levels=(0.5,)), {"samples": 1}, "this model gives its median alone", ()),
        (gaussian(), {"samples": 1000, "series": 21}, "1000 samples x 21 series x 24 steps: at most 500000", ("samples",)),
        (gaussian(), {"aggregate": "sum", "series": 84}, "an aggregate of 84 series x 24 steps: at most 2000", ("aggregate",)),
    ],
)
def test_what_cannot_be_drawn_is_refused(model: Gaussian, asked: dict[str, object], message: str, where: tuple[str, ...]):
    series = int(asked.pop("series", 1))

    with pytest.raises(QuestionError) as refusal:
        model.ask(*[FLAT] * series, **asked)

    assert refusal.value.message.startswith(message)
    assert refusal.value.where == where


def test_one_step_needs_no_correlation():
    [answer] = gaussian(correlation=None).ask(horizon=1, samples=2, seed=1)

    assert answer.samples.shape == (2, 1)


def test_a_path_beyond_a_float_is_refused():
    task: ForecastTask = gaussian(2).task
    table = np.linspace(-3e38, 3e38, 5).astype(np.float32)[:, None].repeat(2, axis=1)

    with pytest.raises(QuestionError, match="a sample path leaves the range of a 32-bit float"):
        paths_of(task, table, Draws.of(task, np.full((1, 2), 4.0)))

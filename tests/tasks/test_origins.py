"""What is expected of each step comes from the steps before it: seen through anomalies, with a graph that uses all it is fed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask, parse_manifest
from service.tasks import origins as origins_module
from service.tasks.anomalies import anomalies
from service.tasks.dialogue import QuestionError, converse
from service.tasks.forecast import forecast
from service.tasks.history import History, column
from service.tasks.origins import origins_over

BUNDLED = Path(__file__).resolve().parents[2] / "models"
COVARIATES = ForecastTask(
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


def everything(inputs: Tensors) -> Tensors:
    """A graph whose answer depends on every number that it is fed, and on where it stands."""
    total = np.zeros((len(inputs["target"]), 1, 1))
    for array in inputs.values():
        flat = np.nan_to_num(array.reshape(len(array), -1), nan=-7.0)
        total += (flat * np.cos(np.arange(flat.shape[1]))).sum(axis=1).reshape(-1, 1, 1)
    spread = np.arange(3)[:, np.newaxis] + np.array([-2.0, 0.0, 3.0])  # (horizon, levels)
    return {"quantiles": (total + spread).astype(np.float32)}


@st.composite
def known_series(draw: st.DrawFn) -> History:
    length = draw(st.integers(3, 20))
    values = st.lists(st.none() | st.floats(-100, 100, width=32), min_size=length, max_size=length)
    target = draw(values)
    target[-3:-1] = [1.0, 2.0]  # the last step at least can be judged
    return History(
        column(target, where=()),
        past={name: column(draw(values), where=()) for name in ("wind", "rain")},
        future={"price": column(draw(values), where=())},
        start=np.datetime64("2026-01-05", "s"),
    )


@settings(max_examples=40)
@given(known_series(), st.integers(1, 3), st.none() | st.integers(1, 20))
def test_what_was_expected_is_what_the_forecast_of_the_history_until_then_says(history: History, ahead: int, last: int | None):
    [judged] = converse(anomalies(COVARIATES, [history], ahead=ahead, last=last), everything).series

    origins = origins_over(COVARIATES, [history], ahead=ahead, last=last)
    for origin, count in zip(origins.places.tolist(), origins.steps.tolist(), strict=True):
        horizon = min(ahead, len(history.values) - origin)
        until = replace(
            history,
            values=history.values[:origin],
            past={name: values[:origin] for name, values in history.past.items()},
            future={name: values[: origin + horizon] for name, values in history.future.items()},
        )
        [answer] = converse(forecast(COVARIATES, [until], horizon=horizon), everything)
        place = slice(origin - judged.first_step, origin - judged.first_step + count)
        np.testing.assert_allclose(judged.point[place], answer.point[:count], rtol=1e-6)
        np.testing.assert_allclose(judged.low[place], answer.quantiles["0.1"][:count], rtol=1e-6)
        np.testing.assert_allclose(judged.high[place], answer.quantiles["0.9"][:count], rtol=1e-6)


@settings(max_examples=40)
@given(known_series(), st.integers(1, 3), st.none() | st.just(1.0), st.data())
def test_what_comes_later_does_not_move_what_was_expected(history: History, ahead: int, forget_beyond: float | None, data: st.DataObject):
    origins = origins_over(COVARIATES, [history], ahead=ahead)
    later = data.draw(st.sampled_from(origins.places.tolist()))
    changed = replace(
        history,
        values=np.concatenate([history.values[:later], np.full(len(history.values) - later, 1e6, np.float32)]),
        past={
            name: np.concatenate([values[:later], np.full(len(values) - later, -1e6, np.float32)]) for name, values in history.past.items()
        },
        future={name: np.concatenate([values, np.full(3, 1e6, np.float32)]) for name, values in history.future.items()},
    )

    before, after = (
        converse(anomalies(COVARIATES, [one], ahead=ahead, forget_beyond=forget_beyond), everything).series[0] for one in (history, changed)
    )

    seen = later - before.first_step + int(origins.steps[origins.places == later][0])
    np.testing.assert_array_equal(after.point[:seen], before.point[:seen])
    np.testing.assert_array_equal(after.low[:seen], before.low[:seen])
    np.testing.assert_array_equal(after.high[:seen], before.high[:seen])


@settings(max_examples=40)
@given(known_series(), st.integers(1, 3), st.none() | st.integers(1, 20))
def test_every_step_that_can_be_judged_is_judged_once_and_at_most_that_far_ahead(history: History, ahead: int, last: int | None):
    origins = origins_over(COVARIATES, [history], ahead=ahead, last=last)

    length = len(history.values)
    looked_at = origins.looked_at.tolist()
    assert all(left < right for left, right in pairwise(looked_at))
    assert looked_at[-1] == length - 1
    assert all(1 <= count <= ahead for count in origins.steps.tolist())
    assert {step for step in range(max(length - (last or length), 0), length) if can_be_judged(history, step)} <= set(looked_at)


def can_be_judged(history: History, step: int) -> bool:
    return bool(np.count_nonzero(~np.isnan(history.values[max(step - 6, 0) : step])) >= 2)


def counting(length: int, first: float = 0.0) -> History:
    values = np.arange(first, first + length, dtype=np.float32)
    past = dict.fromkeys(("wind", "rain"), values)
    return History(values, past=past, future={"price": values}, start=np.datetime64("2026-01-05", "s"))


def test_many_forecasts_are_made_in_several_runs(monkeypatch: pytest.MonkeyPatch):
    histories = [counting(9, first) for first in range(5)]
    whole = converse(anomalies(COVARIATES, histories), everything)
    monkeypatch.setattr(origins_module, "MOST_ROWS", 4)
    rows: list[int] = []

    def run(inputs: Tensors) -> Tensors:
        rows.append(len(inputs["target"]))
        return everything(inputs)

    parts = converse(anomalies(COVARIATES, histories), run)

    assert rows == [4] * 8 + [3]
    assert [judged.point.tolist() for judged in parts.series] == [judged.point.tolist() for judged in whole.series]


def test_a_run_of_a_long_context_has_few_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(origins_module, "MOST_NUMBERS", 2 * (6 * 3 + 9 * 2) + 1)

    step = next(anomalies(COVARIATES, [counting(9)]))

    assert {name: array.shape for name, array in step.inputs.items()} == {"target": (2, 6), "past": (2, 6, 2), "future": (2, 9, 2)}


def test_what_is_wrong_with_a_series_is_said_of_that_series():
    right = counting(3)
    short = replace(right, future={"price": column([1, 2], where=())})

    with pytest.raises(QuestionError, match="2 values of 'price'") as refusal:
        converse(anomalies(COVARIATES, [right, short]), everything)

    assert refusal.value.where == ("series", 1, "future", "price")


@pytest.mark.parametrize(("name", "ahead"), [("energy-load", 5), ("share-price", 2)])
def test_a_bundled_model_expects_what_it_forecasts(name: str, ahead: int):
    folder = BUNDLED / name / "1"
    if not folder.exists():
        pytest.skip("the bundled models are not in models/: `make models` trains them")
    task = parse_manifest((folder / "manifest.json").read_bytes()).task
    assert isinstance(task, ForecastTask)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(["quantiles"], session.run(["quantiles"], inputs), strict=True))

    draw = np.random.default_rng(3)
    values = (50 + 10 * np.sin(np.arange(400) / 4) + draw.normal(0, 1, 400)).astype(np.float32)
    values[300:310] = np.nan
    past = {covariate: values + draw.normal(0, 1, 400).astype(np.float32) for covariate in task.past}
    history = History(values, past=past, start=np.datetime64("2026-01-05", "s"))

    [judged] = converse(anomalies(task, [history], ahead=ahead, last=100), run).series

    for origin in range(300, 400, ahead):
        until = replace(history, values=values[:origin], past={covariate: own[:origin] for covariate, own in past.items()})
        [answer] = converse(forecast(task, [until], horizon=ahead), run)
        np.testing.assert_allclose(judged.point[origin - 300 : origin - 300 + ahead], answer.point, rtol=1e-6, atol=1e-6 * 50)

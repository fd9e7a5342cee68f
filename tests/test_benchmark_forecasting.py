"""The benchmark of forecasts: which trainings it asks for, what it keeps, and what it measures."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecasting import baselines, datasets, ours
from benchmarks.forecasting.__main__ import known_peers, seeds_by_cell
from benchmarks.forecasting.datasets import Dataset, Questions
from benchmarks.forecasting.figures import Figures, Forecasts, from_quantiles, measured
from tests import artifacts

SETTINGS = {"cell": "lstm", "seed": 0, "members": 1, "epochs": 1}


def dataset(rows: int = 2) -> Dataset:
    """Histories 0, 1, ... 47 that go on with 48, 49 and 50."""
    history = np.tile(np.arange(48, dtype=np.float32), (rows, 1))
    questions = Questions(history, np.full(rows, np.datetime64("2015-07-02T23", "h")), np.tile(np.float32([48, 49, 50]), (rows, 1)))
    return Dataset("steps", pd.DataFrame({"time": [], "value": []}), {"validation": 0.1}, questions, history)


def kept(folder: Path) -> Path:
    """A folder in which a model of `dataset` was trained before."""
    folder.mkdir()
    (folder / "recipe.toml").write_text(ours.recipe(dataset(), SETTINGS), encoding="utf-8")
    artifacts.publish(folder / "models", "steps", artifacts.forecaster(frequency="h"))
    return folder


@pytest.mark.parametrize(
    ("cells", "seeds", "expected"),
    [
        ("lstm", "3", {"lstm": 3}),
        ("lstm,gru,rnn", "3,1,1", {"lstm": 3, "gru": 1, "rnn": 1}),
        ("lstm,gru", "2", {"lstm": 2, "gru": 2}),
    ],
)
def test_one_number_of_seeds_is_for_every_cell_and_several_are_for_one_each(cells: str, seeds: str, expected: dict[str, int]):
    assert seeds_by_cell(cells, seeds) == expected


@pytest.mark.parametrize("seeds", ["3,1,1", "0", "two", ""])
def test_other_numbers_of_seeds_are_refused(seeds: str):
    with pytest.raises(ValueError, match="write one number of at least 1 for all cells, or one for each of lstm,gru"):
        seeds_by_cell("lstm,gru", seeds)


@pytest.mark.parametrize("cells", ["lstm,transformer", "lstm,lstm", ""])
def test_other_cells_are_refused(cells: str):
    with pytest.raises(ValueError, match="write some of lstm, gru, rnn, each once"):
        seeds_by_cell(cells, "1")


def test_peers_are_known_by_name():
    assert known_peers("AutoETS,neuralforecast") == ["AutoETS", "neuralforecast"]
    assert known_peers("") == []
    with pytest.raises(ValueError, match="--peers prophet: write some of AutoTheta, AutoETS, neuralforecast"):
        known_peers("prophet")


def test_a_model_that_is_kept_is_asked_and_not_trained_again(tmp_path: Path):
    model = ours.trained(dataset(), kept(tmp_path / "lstm"), settings=SETTINGS)
    assert ours.ask(model, dataset().questions).tolist() == [[[46, 47, 48]] * 3] * 2


def test_a_model_of_another_recipe_is_not_taken(tmp_path: Path):
    folder = kept(tmp_path / "lstm")
    with pytest.raises(ValueError, match=r"recipe\.toml is not the recipe of this run: name another --keep, or remove "):
        ours.trained(dataset(), folder, settings={**SETTINGS, "epochs": 2})


def test_forecasts_of_a_peer_that_are_kept_are_taken(tmp_path: Path):
    point, intervals = np.ones((2, 3), np.float32), np.zeros((2, 3, 4), np.float32)
    np.savez(tmp_path / "AutoETS.npz", point=point, intervals=intervals, seconds=90)
    np.savez(tmp_path / "neuralforecast.npz", point=point, seconds=30, windows_per_second=250)
    answers = baselines.answers("AutoETS", dataset(), tmp_path, minutes=1)
    assert (answers.minutes, answers.windows_per_second) == (1.5, None)
    np.testing.assert_array_equal(answers.forecasts.intervals, intervals)
    answers = baselines.answers("neuralforecast", dataset(), tmp_path, minutes=1)
    assert (answers.minutes, answers.windows_per_second, answers.forecasts.intervals) == (0.5, 250, None)


def test_naive_forecasts_are_the_last_value_and_the_day_before():
    found = baselines.naive(dataset(1).questions)
    assert found["naive"].point.tolist() == [[47, 47, 47]]
    assert found["seasonal naive"].point.tolist() == [[24, 25, 26]]


def test_measures_are_those_of_the_competition():
    point = np.tile(np.float32([48, 49, 74]), (2, 1))  # one of three is wrong by a season's step, 24
    figures = measured(dataset().questions, Forecasts(point))
    assert figures.smape == pytest.approx(200 * 24 / 124 / 3)
    assert figures.mase == pytest.approx(1 / 3)
    assert figures.owa == pytest.approx((12.9032 / 18.383 + 0.333333 / 2.395) / 2, rel=1e-4)
    assert np.isnan([figures.coverage_80, figures.coverage_95, figures.interval_score]).all()


def test_intervals_are_those_between_the_outer_and_the_inner_levels():
    quantiles = np.tile(np.float32([0, 48.5, 49, 49.5, 100]), (2, 3, 1))
    figures = measured(dataset().questions, from_quantiles(quantiles))
    assert isinstance(figures, Figures)
    assert (figures.coverage_80, figures.coverage_95) == (pytest.approx(1 / 3), 1)
    assert figures.interval_score == pytest.approx((1 + 10 * (0.5 + 0 + 0.5) / 3) / 24)


def test_the_last_fifth_of_one_series_is_asked_about_and_not_known(tmp_path: Path):
    hours = pd.date_range("2020-01-01", periods=10_000, freq="h")
    folder = tmp_path / "etth1"
    folder.mkdir()
    text = pd.DataFrame({"date": hours, "OT": np.arange(10_000)}).to_csv(index=False)
    (folder / "ETTh1.csv.gz").write_bytes(gzip.compress(text.encode()))
    found = datasets.read("etth1-24", tmp_path)
    assert found.known.shape == (1, 8000)
    assert (found.known[0, -1], found.questions.history[0, -1], found.questions.actual[0, 0]) == (7999, 7999, 8000)
    assert found.questions.actual.shape == (83, 24)
    assert found.questions.last[0] == np.datetime64("2020-11-29T07", "h")


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="no data set 'm5': m4-hourly, etth1-24, etth1-96 or aep"):
        datasets.read("m5", tmp_path)

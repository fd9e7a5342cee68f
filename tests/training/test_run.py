"""Whole runs on small data: from a file to an artifact that answers."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from service.app import create_app
from service.contract.frequency import Frequency
from service.contract.repository import load_artifact, locations
from service.contract.tokenizer import WordTokenizer
from service.settings import Settings
from service.tasks.classify import classify
from service.tasks.dialogue import converse
from service.tasks.forecast import History, forecast
from service.tasks.language import Language
from service.tasks.next_word import Choice, suggest
from tests.api.conftest import serving
from training.config import ClassifyConfig, ConfigError, ForecastConfig, NextWordConfig, build_config, read_recipe
from training.export import onnx_run
from training.loop import TrainingError
from training.run import WorseThanNaiveError, choose_device, run

RECIPES = Path(__file__).parents[2] / "training" / "recipes"


def shops(path, tmp_path, **settings):
    plain = {
        "name": "shops",
        "data": str(path),
        "models": tmp_path / "models",
        "runs": tmp_path / "runs",
        "time": "day",
        "target": "sales",
        "series": "shop",
        "past": ("visitors",),
        "future": ("promotion",),
        "horizon": 7,
        "context": 28,
        "hidden": 16,
        "epochs": 8,
        "batch": 32,
        "learning_rate": 5e-3,
        "allow_worse_than_naive": True,
    }
    return ForecastConfig(**(plain | settings))


def recipe(name, tmp_path, kind, **settings):
    settings = read_recipe(RECIPES / f"{name}.toml") | {"models": tmp_path / "models", "runs": tmp_path / "runs"} | settings
    return build_config(kind, settings)


def test_a_forecaster_learns_from_covariates_and_publishes_what_it_is(daily_csv, tmp_path, console):
    artifact = run(shops(daily_csv, tmp_path), resume=False, console=console)
    manifest = artifact.manifest
    assert (manifest.name, manifest.version, manifest.task.kind) == ("shops", 1, "forecast")
    assert manifest.task.calendar == ("day_of_week", "day_of_month")  # 200 days say nothing of the year
    assert manifest.task.frequency == "D"
    assert manifest.scores.model["mae"] < manifest.scores.baselines["seasonal_naive_7"]["mae"]
    assert set(manifest.scores.baselines) == {"last_value", "seasonal_naive_7"}
    assert manifest.training.config["hidden"] == 16
    assert manifest.data.rows == 400
    assert set(manifest.files) == {"model.onnx", "model.torchscript.pt", "golden.json", "report.html", "forecast.png", "loss.png"}
    assert max(manifest.parity.values()) < 1e-4


def test_a_published_forecaster_answers_in_the_units_of_its_data(daily_csv, tmp_path, console):
    artifact = run(shops(daily_csv, tmp_path), resume=False, console=console)
    answer = onnx_run(artifact.file("model.onnx"))
    time = np.arange(28)
    values = (100 * (1 + 0.3 * np.sin(2 * np.pi * (time + 172) / 7))).astype(np.float32)
    start = Frequency.parse("D").span(np.datetime64("2024-01-01"), 173)[-1]

    def with_promotion(promotion):
        future = {"promotion": np.concatenate([np.zeros(28), np.full(7, promotion)]).astype(np.float32)}
        [found] = converse(forecast(artifact.manifest.task, [History(values, {"visitors": values * 3}, future, start=start)]), answer)
        return found

    plain, promoted = with_promotion(0), with_promotion(1)
    assert plain.timestamps[0] == "2024-07-19T00:00:00"
    assert np.abs(plain.point - 100 * (1 + 0.3 * np.sin(2 * np.pi * np.arange(200, 207) / 7))).mean() < 15
    assert (promoted.point - plain.point).mean() > 8  # 20 in the data


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_network_of_written_out_cells_is_published_on_fused_kernels(cell, daily_csv, tmp_path, console):
    config = shops(daily_csv, tmp_path, cell=cell, cell_impl="equations", epochs=1, context=14, windows=64)
    manifest = run(config, resume=False, console=console).manifest
    assert manifest.training.config["cell_impl"] == "equations"
    assert max(manifest.parity.values()) < 1e-4


def test_the_report_holds_its_pictures_and_asks_nobody_outside(daily_csv, tmp_path, console):
    artifact = run(shops(daily_csv, tmp_path, epochs=2), resume=False, console=console)
    page = artifact.file("report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert 'src="http' not in page
    assert "seasonal naive 7" in page.lower() or "seasonal_naive_7" in page


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_scaling_by_the_training_data_is_inside_the_graph(scaling, daily_csv, tmp_path, console):
    config = shops(daily_csv, tmp_path, scaling=scaling, base="none", head="linear", epochs=12, allow_worse_than_naive=True)
    artifact = run(config, resume=False, console=console)
    assert artifact.manifest.scores.model["mae"] < artifact.manifest.scores.baselines["last_value"]["mae"]


def test_the_last_word_of_six_sentences_is_learned(tmp_path, console):
    artifact = run(recipe("six-sentences", tmp_path, NextWordConfig), resume=False, console=console)
    assert artifact.manifest.scores.model["top1"] == 1.0
    assert np.log(artifact.manifest.scores.model["perplexity"]) < 0.05
    tokenizer = WordTokenizer.load(artifact.file("tokenizer.json"))
    answer = onnx_run(artifact.file("model.onnx"))
    sentences = ["i like dog", "i love coffee", "i hate milk", "you like cat", "you love milk", "you hate coffee"]
    for sentence in sentences:
        beginning, _, last = sentence.rpartition(" ")
        best = converse(suggest(Language(artifact.manifest, tokenizer), beginning + " ", Choice(top_k=1)), answer)[0]
        assert best.word == last
        assert best.probability > 0.9


def test_a_next_word_model_learns_a_text(tmp_path, console):
    text = tmp_path / "text.txt"
    generator = np.random.default_rng(0)
    words = ["the cat sat on the mat .", "a dog ran in the park .", "the bird sang in the tree ."]
    text.write_text("\n".join(generator.choice(words, 600)))
    config = NextWordConfig(
        name="tiny",
        data=str(text),
        models=tmp_path / "models",
        runs=tmp_path / "runs",
        hidden=24,
        embedding=12,
        cell="gru",
        epochs=8,
        batch=8,
        bptt=16,
        learning_rate=1e-2,
        dropout=0.1,
        ema=0.9,
    )
    manifest = run(config, resume=False, console=console).manifest
    assert manifest.scores.model["perplexity"] < 1.5
    assert manifest.scores.model["top3"] > 0.95
    assert manifest.scores.baselines["most_frequent"]["perplexity"] > 5
    assert manifest.state == {"state_h": "next_state_h"}


def test_a_classifier_learns_rows(stripes_npz, tmp_path, console):
    config = ClassifyConfig(
        name="stripes",
        data=str(stripes_npz),
        models=tmp_path / "models",
        runs=tmp_path / "runs",
        hidden=16,
        epochs=12,
        batch=16,
        learning_rate=1e-2,
    )
    artifact = run(config, resume=False, console=console)
    assert artifact.manifest.scores.model["accuracy"] > 0.9
    assert artifact.manifest.task.labels == ("lower", "upper")
    assert "confusion.png" in artifact.manifest.files
    image = np.zeros((8, 8), np.float32)
    image[6] = 240
    [found] = converse(classify(artifact.manifest.task, [image]), onnx_run(artifact.file("model.onnx")))
    assert found.label == "lower"


def test_a_model_worse_than_naive_is_not_published_unless_allowed(tmp_path, console):
    climb = tmp_path / "climb.csv"
    steps = 3.0 * np.arange(120) + np.random.default_rng(1).normal(size=120)  # the mean of the window, an untrained guess, lags behind
    climb.write_text("day,value\n" + "\n".join(f"{np.datetime64('2024-01-01') + i},{value}" for i, value in enumerate(steps)))
    settings = {"data": str(climb), "time": "day", "target": "value", "horizon": 1, "context": 10, "hidden": 4, "epochs": 1, "base": "none"}
    config = ForecastConfig(name="climb", models=tmp_path / "models", runs=tmp_path / "runs", **settings)
    with pytest.raises(WorseThanNaiveError, match=r"last value has an MAE of .* --allow-worse-than-naive"):
        run(config, resume=False, console=console)
    assert list(locations(tmp_path / "models")) == []
    allowed = run(config.model_copy(update={"allow_worse_than_naive": True}), resume=False, console=console)
    assert allowed.manifest.scores.beats_naive is False
    assert allowed.manifest.scores.note.startswith("Hard to beat: last value has an MAE of ")
    assert allowed.manifest.scores.note in console.export_text()
    with serving(create_app(Settings(models=tmp_path / "models"))) as address:
        scores = httpx.get(f"{address}/v1/models/climb").json()["scores"]
    assert (scores["beats_naive"], scores["note"]) == (False, allowed.manifest.scores.note)


def test_several_series_are_judged_by_an_error_that_does_not_ask_how_large_they_are(tmp_path, console):
    path = tmp_path / "two.csv"
    climb = 3.0 * np.arange(120) + np.random.default_rng(1).normal(size=120)
    rows = [
        f"{name},{np.datetime64('2024-01-01') + i},{size * value}"
        for name, size in (("a", 1), ("b", 1000))
        for i, value in enumerate(climb)
    ]
    path.write_text("name,day,value\n" + "\n".join(rows))
    settings = {"time": "day", "target": "value", "series": "name", "horizon": 1, "context": 10, "hidden": 4, "epochs": 1, "base": "none"}
    config = ForecastConfig(name="two", data=str(path), models=tmp_path / "models", runs=tmp_path / "runs", **settings)
    with pytest.raises(WorseThanNaiveError, match=r"last value has a MASE of \d"):
        run(config, resume=False, console=console)


def test_the_reason_of_a_classifier_worse_than_naive_is_kept(tmp_path, console):
    labels = np.array(["common"] * 280 + ["rare"] * 20)
    path = tmp_path / "noise.npz"
    np.savez(path, sequences=np.random.default_rng(0).normal(size=(300, 4, 2)).astype(np.float32), labels=labels)
    config = ClassifyConfig(
        name="noise", data=str(path), models=tmp_path / "models", runs=tmp_path / "runs", hidden=2, epochs=1, int8=False
    )
    with pytest.raises(WorseThanNaiveError, match=r"always the commonest label is right \d+\.\d+% of the time, the model \d+\.\d+%"):
        run(config, resume=False, console=console)


def test_the_reason_of_a_next_word_model_worse_than_naive_is_kept(tmp_path, console):
    text = tmp_path / "noise.txt"
    words = np.random.default_rng(0).choice(["a", "b", "c", "d"], 800)
    text.write_text("\n".join(" ".join(words[start : start + 10]) for start in range(0, 800, 10)))
    small = {"hidden": 2, "embedding": 2, "bptt": 5, "batch": 4, "epochs": 1, "learning_rate": 1e-6, "int8": False}
    config = NextWordConfig(name="noise", data=str(text), models=tmp_path / "models", runs=tmp_path / "runs", **small)
    with pytest.raises(WorseThanNaiveError, match=r"how often words are has a perplexity of [\d.]+, the model [\d.]+"):
        run(config, resume=False, console=console)


def test_a_grid_trains_every_combination_and_publishes_the_best(daily_csv, tmp_path, console):
    config = shops(daily_csv, tmp_path, epochs=2, windows=64, grid={"cell": ["gru", "rnn"], "dropout": [0.0, 0.5]}, batch_norm=True)
    artifact = run(config, resume=False, console=console)
    shown = console.export_text()
    assert "shops: 4 runs" in shown
    assert len([line for line in shown.splitlines() if line.startswith("│") and (" gru " in line or " rnn " in line)]) == 4
    assert artifact.manifest.training.config["cell"] in ("gru", "rnn")
    assert [place.version for place in locations(tmp_path / "models")] == [1]


def test_a_grid_over_something_that_is_no_setting_is_refused(daily_csv, tmp_path, console):
    with pytest.raises(ConfigError, match="'depth' is not a setting"):
        run(shops(daily_csv, tmp_path, grid={"depth": [1]}), resume=False, console=console)


def test_each_run_is_a_new_version_and_the_same_seed_gives_the_same_model(daily_csv, tmp_path, console):
    first, second = (run(shops(daily_csv, tmp_path, epochs=2), resume=False, console=console) for _ in range(2))
    assert (first.manifest.version, second.manifest.version) == (1, 2)
    assert first.manifest.files["model.onnx"] == second.manifest.files["model.onnx"]
    assert first.manifest.scores == second.manifest.scores
    other = run(shops(daily_csv, tmp_path, epochs=2, seed=7), resume=False, console=console)
    assert other.manifest.files["model.onnx"] != first.manifest.files["model.onnx"]


def test_a_run_leaves_artifacts_that_load_and_nothing_else(daily_csv, tmp_path, console):
    run(shops(daily_csv, tmp_path, epochs=1), resume=False, console=console)
    [place] = locations(tmp_path / "models")
    assert load_artifact(place, root=tmp_path / "models").manifest.version == 1
    assert json.loads((place.folder / "golden.json").read_text())
    assert sorted(path.name for path in (tmp_path / "models" / "shops").iterdir()) == ["1"]
    assert list((tmp_path / "runs").rglob("*.pt")) == []


def test_resuming_a_run_that_never_began_says_so(daily_csv, tmp_path, console):
    with pytest.raises(TrainingError, match="no checkpoint in"):
        run(shops(daily_csv, tmp_path), resume=True, console=console)


def test_cuda_without_a_device_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="use --device auto or cpu"):
        choose_device("cuda")
    assert choose_device("auto") == torch.device("cpu")


def test_auto_takes_a_gpu_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_a_valid_configuration(path):
    settings = read_recipe(path)
    kind = {"forecast": ForecastConfig, "next-word": NextWordConfig, "classify": ClassifyConfig}[settings["task"]]
    build_config(kind, {"data": "given by a flag"} | settings)

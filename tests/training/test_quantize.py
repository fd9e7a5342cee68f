"""From a run to an artifact with a graph in int8, or without one, and why."""

from __future__ import annotations

import json

import numpy as np
import pytest

from service.contract.golden import parse_goldens, replay
from service.contract.int8 import Check, Int8
from service.contract.manifest import ArtifactError
from service.contract.repository import load_artifact, locations
from training import quantize as quantize_module
from training.__main__ import main
from training.config import ClassifyConfig, ForecastConfig, NextWordConfig
from training.data.files import DataError
from training.export import onnx_run
from training.inspect import find_artifact
from training.learners.classify import ClassifyLearner
from training.quantize import int8_told
from training.republish import republish_in_int8
from training.run import run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Times are measured in one round."""
    monkeypatch.setattr(quantize_module, "TIMED_S", 0.0)
    monkeypatch.setattr(quantize_module, "TIMED_ROUNDS", 1)


def stripes(path, tmp_path, **settings):
    plain = {"name": "stripes", "data": str(path), "models": tmp_path / "models", "runs": tmp_path / "runs", "hidden": 64, "epochs": 4}
    return ClassifyConfig(**(plain | {"batch": 16, "learning_rate": 1e-2} | settings))


def broken(*_arguments):
    return (Check(measure="accuracy_drop", value=0.25, at_most=0.005),)


def test_a_run_publishes_a_graph_in_int8_with_what_it_was_measured_by(stripes_npz, tmp_path, console):
    artifact = run(stripes(stripes_npz, tmp_path), resume=False, console=console)
    int8 = artifact.manifest.int8
    assert int8.published
    assert {check.measure: check.kept for check in int8.checks} == {"accuracy_drop": True, "batch_difference": True}
    assert int8.smaller > 2.5
    assert list(int8.faster) == ["1", "8", "32"]
    assert artifact.file("model.onnx").stat().st_size > 2.5 * artifact.file("model.int8.onnx").stat().st_size
    assert "int8: published" in console.export_text()
    assert "In int8" in artifact.file("report.html").read_text()
    assert artifact.manifest.training.config["int8"] is True


def test_a_forecaster_in_int8_is_held_to_its_errors_and_to_where_its_forecasts_were(daily_csv, tmp_path, console):
    columns = {"time": "day", "target": "sales", "series": "shop", "future": ("promotion",), "horizon": 3, "context": 14}
    config = ForecastConfig(
        name="shops",
        data=str(daily_csv),
        models=tmp_path / "models",
        runs=tmp_path / "runs",
        hidden=64,
        epochs=2,
        windows=128,
        allow_worse_than_naive=True,
        **columns,
    )
    int8 = run(config, resume=False, console=console).manifest.int8
    assert int8.published
    assert [check.measure for check in int8.checks] == ["mae_ratio", "pinball_ratio", "shift_p95", "batch_difference"]
    assert 0 < int8.checks[2].value < 0.2


def test_a_next_word_model_in_int8_is_held_to_its_perplexity_and_its_best_words(tmp_path, console):
    text = tmp_path / "text.txt"
    words = ["the cat sat on the mat .", "a dog ran in the park .", "the bird sang in the tree ."]
    text.write_text("\n".join(np.random.default_rng(0).choice(words, 300)))
    settings = {"hidden": 64, "embedding": 12, "epochs": 4, "batch": 8, "bptt": 16, "learning_rate": 1e-2, "dropout": 0.1}
    config = NextWordConfig(name="tiny", data=str(text), models=tmp_path / "models", runs=tmp_path / "runs", **settings)
    int8 = run(config, resume=False, console=console).manifest.int8
    assert int8.published
    assert [check.measure for check in int8.checks] == ["perplexity_ratio", "top3_agreement", "batch_difference"]
    assert 0.99 < int8.checks[0].value < 1.01


def test_golden_answers_of_the_graph_in_int8_are_its_own(stripes_npz, tmp_path, console):
    artifact = run(stripes(stripes_npz, tmp_path), resume=False, console=console)
    own, trained = (parse_goldens(artifact.read(name)) for name in ("golden.int8.json", "golden.json"))
    assert [golden.inputs["sequence"].tolist() for golden in own] == [golden.inputs["sequence"].tolist() for golden in trained]
    assert replay(own, onnx_run(artifact.file("model.int8.onnx")), what="model.int8.onnx") < 1e-6


def test_no_int8_is_made_where_none_is_wanted(stripes_npz, tmp_path, console):
    artifact = run(stripes(stripes_npz, tmp_path, int8=False, epochs=1), resume=False, console=console)
    assert artifact.manifest.int8 is None
    assert "model.int8.onnx" not in artifact.manifest.files
    assert "int8:" not in console.export_text()


def test_a_graph_that_loses_too_much_is_not_published_and_everybody_is_told(stripes_npz, tmp_path, console, monkeypatch):
    monkeypatch.setattr(ClassifyLearner, "checks", broken)
    artifact = run(stripes(stripes_npz, tmp_path, epochs=1, allow_worse_than_naive=True), resume=False, console=console)
    assert artifact.manifest.int8.reason == "accuracy_drop 0.25, at most 0.005"
    assert not {"model.int8.onnx", "golden.int8.json"} & set(artifact.manifest.files)
    assert "int8: not published: accuracy_drop 0.25, at most 0.005" in console.export_text()
    assert "not published: accuracy_drop 0.25" in artifact.file("report.html").read_text()


def test_a_graph_that_gains_nothing_is_not_published(stripes_npz, tmp_path, console, monkeypatch):
    monkeypatch.setattr(quantize_module, "LEAST_SMALLER", 1e9)
    monkeypatch.setattr(quantize_module, "_faster", lambda *_arguments: {"1": 1.3, "8": 0.9})
    artifact = run(stripes(stripes_npz, tmp_path, epochs=1, allow_worse_than_naive=True), resume=False, console=console)
    assert artifact.manifest.int8.reason == "no gain: neither smaller nor faster"
    assert "model.int8.onnx" not in artifact.manifest.files


def test_a_network_with_nothing_for_int8_says_so(stripes_npz, tmp_path, console):
    config = stripes(stripes_npz, tmp_path, cell="gru", epochs=1, allow_worse_than_naive=True)
    artifact = run(config, resume=False, console=console)
    assert artifact.manifest.int8 == Int8(published=False, reason="nothing in it that int8 has kernels for is large enough")
    assert int8_told(artifact.manifest.int8) == "not published: nothing in it that int8 has kernels for is large enough"


def test_the_line_of_a_graph_in_int8_says_what_was_measured():
    checks = (Check(measure="mae_ratio", value=1.00123, at_most=1.01), Check(measure="top3_agreement", value=0.996, at_least=0.99))
    int8 = Int8(published=True, checks=checks, smaller=3.7, faster={"1": 1.7, "8": 1.5})
    assert int8_told(int8) == (
        "published (3.7 times smaller; 1.7, 1.5 times as fast at 1, 8 rows; "
        "mae_ratio 1.001, at most 1.01; top3_agreement 0.996, at least 0.99)"
    )


@pytest.fixture
def without(stripes_npz, tmp_path, console):
    """A published classifier without int8, as by a release that had a setting more."""
    artifact = run(stripes(stripes_npz, tmp_path, int8=False), resume=False, console=console)
    path = artifact.folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["int8"]
    content["schema_version"] = 1
    content["training"]["config"]["loss"] = "retired"
    path.write_text(json.dumps(content))
    return find_artifact(tmp_path / "models", "stripes@1")


def test_a_published_model_gets_a_graph_in_int8_as_its_next_version(without, stripes_npz, tmp_path, console):
    republished = republish_in_int8(without, models=tmp_path / "models", data=str(stripes_npz), console=console)
    before, after = without.manifest, republished.manifest
    assert (after.version, after.schema_version, after.int8.published) == (2, 4, True)
    assert set(after.files) - set(before.files) == {"model.int8.onnx", "golden.int8.json"}
    assert {name: after.files[name] for name in before.files} == before.files
    changed = {"version", "schema_version", "created", "int8", "files"}
    assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)
    assert [load_artifact(place, root=tmp_path / "models").manifest.version for place in locations(tmp_path / "models")] == [1, 2]


def test_the_graph_in_int8_is_held_against_the_data_of_the_model_and_no_other(without, tmp_path, console):
    generator = np.random.default_rng(1)
    np.savez(tmp_path / "other.npz", sequences=generator.uniform(0, 255, (300, 8, 8)), labels=generator.integers(0, 2, 300))
    with pytest.raises(DataError, match=r"other\.npz is not what stripes was trained on, by its sha256: give that with --data"):
        republish_in_int8(without, models=tmp_path / "models", data=str(tmp_path / "other.npz"), console=console)
    with pytest.raises(DataError, match=r"stripes\.npz does not exist"):
        republish_in_int8(without, models=tmp_path / "models", data=None, console=console)


@pytest.mark.usefixtures("without")
def test_quantize_is_a_command(stripes_npz, tmp_path, capsys):
    models = ("--models", str(tmp_path / "models"))
    assert main(["quantize", "stripes@1", "--data", str(stripes_npz), *models]) == 0
    shown = capsys.readouterr().out
    assert "int8: published (" in shown
    assert "published stripes version 2" in shown
    assert main(["inspect", "stripes", *models]) == 0
    assert "int8: published (" in capsys.readouterr().out
    assert main(["quantize", "stripes", *models]) == 1
    assert "stripes.npz does not exist" in capsys.readouterr().err


def test_a_model_whose_graph_in_int8_is_not_good_enough_stays_as_it_is(without, stripes_npz, tmp_path, console, monkeypatch):
    monkeypatch.setattr(ClassifyLearner, "checks", broken)
    with pytest.raises(ArtifactError, match=r"stripes version 1 stays as it is: accuracy_drop 0\.25, at most 0\.005"):
        republish_in_int8(without, models=tmp_path / "models", data=str(stripes_npz), console=console)
    assert [place.version for place in locations(tmp_path / "models")] == [1]

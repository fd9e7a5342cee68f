from __future__ import annotations

import importlib.util
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import served_model
from service.errors import ModelNotFound, StartupError, VersionNotFound
from service.lifecycle.registry import ModelRegistry, Refusal
from service.observe.telemetry import Telemetry
from service.settings import Settings
from tests import artifacts


@pytest.fixture
def registry(tiny_models: Path) -> Iterator[ModelRegistry]:
    registry = ModelRegistry(Settings(models=tiny_models))
    registry.load_all()
    yield registry
    registry.close()


def test_every_version_of_every_model_is_served(registry: ModelRegistry):
    assert [model.manifest.name for model in registry.newest()] == ["tiny-classes", "tiny-forecast", "tiny-words"]
    assert registry.versions("tiny-classes") == [1, 2]
    assert registry.refused == []


def test_the_newest_version_answers_unless_another_is_asked(registry: ModelRegistry):
    assert registry.get("tiny-classes").manifest.version == 2
    assert registry.get("tiny-classes", 1).manifest.version == 1


def test_an_unknown_name_is_refused_with_those_that_are_known(registry: ModelRegistry):
    with pytest.raises(ModelNotFound) as refusal:
        registry.get("none")

    assert refusal.value.detail == "no model 'none'; served here: tiny-classes, tiny-forecast, tiny-words"
    with pytest.raises(ModelNotFound):
        registry.versions("none")


def test_an_unknown_version_is_refused_with_those_that_are_known(registry: ModelRegistry):
    with pytest.raises(VersionNotFound, match="no version 3 of 'tiny-classes'; served here: 1, 2"):
        registry.get("tiny-classes", 3)


def test_a_second_load_changes_nothing(registry: ModelRegistry):
    before = registry.get("tiny-words")
    registry.load_all()

    assert registry.get("tiny-words") is before


def test_a_broken_model_never_stops_the_others(tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = Path(shutil.copytree(tiny_models, tmp_path / "models"))
    (root / "tiny-classes" / "2" / "model.onnx").write_bytes(b"other")
    (root / "broken" / "1").mkdir(parents=True)

    registry = ModelRegistry(Settings(models=root))
    with caplog.at_level(logging.INFO):
        registry.load_all()

    assert [(model.manifest.name, model.manifest.version) for model in registry.newest()] == [
        ("tiny-classes", 1),
        ("tiny-forecast", 1),
        ("tiny-words", 1),
    ]
    assert registry.refused == [
        Refusal("broken", 1, "manifest.json cannot be read: No such file or directory"),
        Refusal("tiny-classes", 2, "model.onnx was changed: its sha256 is not the one in manifest.json; publish it again"),
    ]
    assert "loaded tiny-words version 1: next-word in fp32 on cpu" in caplog.text
    assert "refused broken version 1: manifest.json cannot be read" in caplog.text
    registry.close()


def test_even_a_fault_of_the_service_itself_stops_one_model_only(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    whole = served_model.load_backend

    def load_backend(artifact: artifacts.repository.Artifact, settings: Settings) -> served_model.Backend:
        if artifact.manifest.name == "tiny-words":
            raise ZeroDivisionError("a fault")
        return whole(artifact, settings)

    monkeypatch.setattr(served_model, "load_backend", load_backend)
    registry = ModelRegistry(Settings(models=tiny_models))
    registry.load_all()

    assert registry.refused == [Refusal("tiny-words", 1, "ZeroDivisionError: a fault")]
    assert len(registry.newest()) == 2
    assert "tiny-words version 1 broke while it was loaded" in caplog.text
    registry.close()


def test_no_model_folder_is_a_start_up_error_with_a_remedy(tmp_path: Path):
    with pytest.raises(StartupError, match=r"no model folder .*none: create it, publish a model into it, or name another with --models"):
        ModelRegistry(Settings(models=tmp_path / "none")).load_all()


def test_an_empty_model_folder_is_served_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    registry = ModelRegistry(Settings(models=tmp_path))
    registry.load_all()

    assert "no model is served: publish one into" in caplog.text
    with pytest.raises(ModelNotFound, match="no model is served here: publish one and start again"):
        registry.get("any")
    registry.close()


def test_a_gpu_that_is_not_there_stops_the_service_and_is_no_refusal(tiny_models: Path):
    registry = ModelRegistry(Settings(models=tiny_models, device="cuda"))

    with pytest.raises(StartupError, match="--device cuda"):
        registry.load_all()
    assert registry.refused == []
    assert registry.newest() == []


def test_torchscript_without_torch_is_a_start_up_error_with_a_remedy(tiny_models: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(StartupError, match=r"--backend torchscript needs torch: `pip install 'carousel-serve\[torchscript\]'`"):
        ModelRegistry(Settings(models=tiny_models, backend="torchscript")).load_all()


def test_torchscript_serves_what_has_it_and_refuses_the_rest(tmp_path: Path):
    artifacts.publish(tmp_path, "with", artifacts.classifier(), torchscript=artifacts.classifier_torchscript())
    artifacts.publish(tmp_path, "without", artifacts.classifier())
    registry = ModelRegistry(Settings(models=tmp_path, backend="torchscript"))
    registry.load_all()

    assert registry.get("with").backend_name == "torchscript"
    assert [refusal.name for refusal in registry.refused] == ["without"]
    registry.close()


def test_loaded_models_are_shown_in_the_metrics(tiny_models: Path):
    telemetry = Telemetry.create()
    registry = ModelRegistry(Settings(models=tiny_models), telemetry)
    registry.load_all()

    text = telemetry.exposition().decode()
    assert 'carousel_model_info{backend="onnx",device="cpu",model="tiny-words",precision="fp32",task="next-word",version="1"} 1.0' in text
    assert 'carousel_queue_rows{model="tiny-words",version="1"} 0.0' in text
    registry.close()

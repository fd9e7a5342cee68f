"""Which of an artifact's graphs runs, fp32 or int8; the stand-in for the one in int8 is less sure of its answers."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from service.__main__ import main
from service.backends import onnx as onnx_module
from service.backends.onnx import OnnxBackend, choose_precision
from service.contract.golden import difference, parse_goldens
from service.contract.int8 import Int8
from service.contract.manifest import ArtifactError
from service.contract.repository import Artifact, Location
from service.errors import StartupError
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.served_model import ServedModel, load_backend
from service.settings import Settings
from tests import artifacts

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
BUNDLED = Path(__file__).resolve().parents[2] / "models"
QUESTION = {"sequence": np.array([[[2, 0, 0]]], np.float32)}
SURE, DOUBTFUL = 0.787, 0.576
"""Probability of the first label, in fp32 and in int8."""

PAYS = Int8(published=True, faster={"1": 1.5, "8": 1.2})
SLOW = Int8(published=True, faster={"1": 1.5, "8": 0.9})
WORSE = Int8(published=False, reason="mae_ratio 1.2, at most 1.01")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`both` has a graph in int8, `slow` one that is slower, `plain` none; read it, do not change it."""
    root = tmp_path_factory.mktemp("precisions")
    artifacts.publish(root, "both", artifacts.classifier(), int8=artifacts.doubtful_classifier())
    artifacts.publish(root, "slow", artifacts.classifier(), int8=artifacts.doubtful_classifier(), faster=0.8)
    artifacts.publish(root, "plain", artifacts.classifier(), torchscript=artifacts.classifier_torchscript())
    return root


def load(root: Path, name: str, **settings: object) -> ServedModel:
    return ServedModel.load(Location(name, 1, root / name / "1"), root=root, settings=Settings(models=root, **settings))


@pytest.mark.parametrize(
    ("wanted", "int8", "cuda", "chosen"),
    [
        ("auto", PAYS, False, "int8"),
        ("auto", PAYS, True, "fp32"),
        ("auto", SLOW, False, "fp32"),
        ("auto", WORSE, False, "fp32"),
        ("auto", None, False, "fp32"),
        ("fp32", PAYS, False, "fp32"),
        ("fp32", PAYS, True, "fp32"),
        ("int8", PAYS, False, "int8"),
        ("int8", PAYS, True, "int8"),
        ("int8", SLOW, False, "int8"),
    ],
)
def test_auto_takes_int8_on_the_cpu_where_it_pays(wanted: str, int8: Int8 | None, cuda: bool, chosen: str):
    manifest = artifacts.manifest(artifacts.classifier(), "tiny", 1).model_copy(update={"int8": int8})

    assert choose_precision(wanted, manifest, device="auto", cuda=cuda) == chosen


@pytest.mark.parametrize(
    ("int8", "device", "message"),
    [
        (None, "cpu", "it has no graph in int8: add one with `carousel-train quantize tiny`, or start with --precision auto"),
        (WORSE, "cpu", r"not published \(mae_ratio 1\.2, at most 1\.01\): start with --precision auto"),
    ],
)
def test_int8_of_an_artifact_without_it_is_refused_with_a_remedy(int8: Int8 | None, device: str, message: str):
    manifest = artifacts.manifest(artifacts.classifier(), "tiny", 1).model_copy(update={"int8": int8})

    with pytest.raises(ArtifactError, match=message):
        choose_precision("int8", manifest, device=device, cuda=False)


def test_int8_on_a_gpu_is_a_start_up_error():
    manifest = artifacts.manifest(artifacts.classifier(), "tiny", 1).model_copy(update={"int8": PAYS})

    with pytest.raises(StartupError, match="--precision int8 runs on the CPU: start with --device cpu, or with --precision auto"):
        choose_precision("int8", manifest, device="cuda", cuda=True)


@pytest.mark.parametrize(
    ("name", "precision", "runs", "sureness"),
    [
        ("both", "auto", "int8", DOUBTFUL),
        ("both", "fp32", "fp32", SURE),
        ("both", "int8", "int8", DOUBTFUL),
        ("slow", "auto", "fp32", SURE),
        ("slow", "int8", "int8", DOUBTFUL),
        ("plain", "auto", "fp32", SURE),
    ],
)
def test_the_graph_of_the_precision_answers_and_the_card_says_which(models: Path, name: str, precision: str, runs: str, sureness: float):
    model = load(models, name, precision=precision)

    answer = asyncio.run(model.infer(QUESTION))

    assert answer["probabilities"][0, 0] == pytest.approx(sureness, abs=1e-3)
    assert (model.precision, model.card()["precision"]) == (runs, runs)
    model.close(20)


def test_a_model_without_int8_is_refused_and_the_others_go_on(models: Path):
    telemetry = Telemetry.create()
    registry = ModelRegistry(Settings(models=models, precision="int8"), telemetry)
    registry.load_all()

    assert [model.manifest.name for model in registry.newest()] == ["both", "slow"]
    [refusal] = registry.refused
    assert (refusal.name, refusal.reason.partition(":")[0]) == ("plain", "--precision int8, but it has no graph in int8")
    assert 'carousel_model_info{backend="onnx",device="cpu",model="both",precision="int8"' in telemetry.exposition().decode()
    registry.close()


def test_torchscript_has_no_int8(models: Path):
    artifact = Artifact(models / "plain" / "1", artifacts.manifest(artifacts.classifier(), "plain", 1))

    with pytest.raises(StartupError, match="--backend torchscript has no graphs in int8: start with --precision auto, or with --backend"):
        load_backend(artifact, Settings(models=models, backend="torchscript", precision="int8"))


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_torchscript_runs_in_fp32(models: Path, precision: str):
    model = load(models, "plain", backend="torchscript", precision=precision)

    assert (model.backend_name, model.precision) == ("torchscript", "fp32")
    model.close(20)


def test_the_listing_says_what_each_model_runs_in(models: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models", "--models", str(models)]) == 0
    rows = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0], row[4]) for row in rows] == [("both", "int8"), ("plain", "fp32"), ("slow", "fp32")]

    assert main(["models", "--models", str(models), "--precision", "fp32", "--json"]) == 0
    assert [row["precision"] for row in json.loads(capsys.readouterr().out)] == ["fp32", "fp32", "fp32"]


def test_a_gpu_is_given_the_graph_in_fp32(models: Path, monkeypatch: pytest.MonkeyPatch):
    given: list[tuple[bytes, list[str]]] = []
    whole = onnx_module.ort.InferenceSession

    def session(model: bytes, options: object, *, providers: list[str]) -> object:
        given.append((model, providers))
        return whole(model, options, providers=[CPU])

    monkeypatch.setattr(onnx_module.ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnx_module.ort, "InferenceSession", session)
    artifact = Artifact(models / "both" / "1", load(models, "both").manifest)
    given.clear()

    on_gpu = OnnxBackend.load(artifact, device="auto", threads=1, precision="auto")
    on_cpu = OnnxBackend.load(artifact, device="auto", threads=1, precision="int8")

    assert given == [(artifact.read("model.onnx"), [CUDA, CPU]), (artifact.read("model.int8.onnx"), [CPU])]
    assert (on_gpu.precision, on_cpu.precision) == ("fp32", "int8")


def test_a_graph_in_int8_that_was_changed_is_refused_even_where_fp32_runs(models: Path, tmp_path: Path):
    root = Path(shutil.copytree(models, tmp_path / "models"))
    (root / "both" / "1" / "model.int8.onnx").write_bytes(b"other")

    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx was changed: its sha256 is not the one in manifest\.json"):
        load(root, "both", precision="fp32")


def test_a_graph_in_int8_with_weights_outside_is_never_loaded(tmp_path: Path):
    def move_weights_out(folder: Path) -> None:
        model = onnx.load(folder / "model.int8.onnx")
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        (folder / "model.int8.onnx").write_bytes(model.SerializeToString())

    tiny, int8 = artifacts.classifier(), artifacts.doubtful_classifier()
    artifact = artifacts.publish(tmp_path, "tiny", tiny, int8=int8, alter=move_weights_out)

    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx keeps weights in another file: export it with its weights inside"):
        OnnxBackend.load(artifact, device="cpu", threads=1, precision="int8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"model\.int8\.onnx cannot be loaded by onnxruntime"),
        (b"\x0b", r"model\.int8\.onnx is not an ONNX file"),
        (artifacts.forecaster().onnx(), r"model\.int8\.onnx has the inputs target; the manifest says sequence: export it again"),
    ],
)
def test_another_file_in_its_place_is_refused_by_its_name(tmp_path: Path, content: bytes, message: str):
    def replaced(folder: Path) -> None:
        (folder / "model.int8.onnx").write_bytes(content)

    tiny, int8 = artifacts.classifier(), artifacts.doubtful_classifier()
    artifact = artifacts.publish(tmp_path, "tiny", tiny, int8=int8, alter=replaced)

    with pytest.raises(ArtifactError, match=message):
        OnnxBackend.load(artifact, device="cpu", threads=1, precision="int8")


def test_a_graph_in_int8_replays_golden_answers_of_its_own(tmp_path: Path):
    def answers_of_fp32(folder: Path) -> None:
        (folder / "golden.int8.json").write_bytes((folder / "golden.json").read_bytes())

    artifacts.publish(tmp_path, "tiny", artifacts.classifier(), int8=artifacts.doubtful_classifier(), alter=answers_of_fp32)

    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx answers its golden requests with a difference of .*, over 0\.02"):
        load(tmp_path, "tiny")
    load(tmp_path, "tiny", precision="fp32").close(20)


@pytest.fixture(scope="module")
def bundled() -> Iterator[ModelRegistry]:
    """The models that come with Carousel."""
    registry = ModelRegistry(Settings(models=BUNDLED))
    registry.load_all()
    yield registry
    registry.close()


def test_bundled_models_run_in_int8_where_it_keeps_their_forecasts(bundled: ModelRegistry):
    assert {model.manifest.name: model.precision for model in bundled.newest()} == {
        "digit-rows": "int8",
        "energy-load": "fp32",
        "next-word-en": "int8",
        "next-word-ko": "int8",
        "share-price": "fp32",
    }


@pytest.mark.parametrize("name", ["digit-rows", "next-word-en", "next-word-ko"])
def test_a_bundled_model_in_int8_answers_in_a_batch_as_it_does_alone(bundled: ModelRegistry, name: str):
    model = bundled.get(name)
    question = parse_goldens(model.artifact.read("golden.json"))[0].inputs
    others = {key: np.repeat(array, 7, axis=0) for key, array in question.items()}
    for array in others.values():
        array[...] = array[:, ::-1] * 3 if array.dtype == np.float32 else 5  # turned about and three times as large; another word
    together = {key: np.concatenate([question[key], others[key]]) for key in question}

    alone = model.backend.run(question)
    found = {key: array[:1] for key, array in model.backend.run(together).items()}

    assert difference(alone, found) < 1e-6
    assert difference({key: array[1:2] for key, array in model.backend.run(together).items()}, alone) > 1e-2

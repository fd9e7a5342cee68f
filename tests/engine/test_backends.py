from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from service.backends import onnx as onnx_module
from service.backends.onnx import OnnxBackend, check_graph, choose_providers, taken_device
from service.backends.torchscript import TorchScriptBackend, choose_device
from service.contract.golden import difference
from service.contract.manifest import ArtifactError, TensorSpec
from service.contract.repository import Artifact
from service.errors import StartupError
from tests import artifacts

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True)
class Node:
    """A tensor as onnxruntime describes it."""

    name: str
    type: str
    shape: list[int | str]


@pytest.mark.parametrize(
    ("device", "available", "providers"),
    [
        ("cpu", [CUDA, CPU], [CPU]),
        ("cpu", [CPU], [CPU]),
        ("auto", [CPU], [CPU]),
        ("auto", ["AzureExecutionProvider", CPU], [CPU]),
        ("auto", ["TensorrtExecutionProvider", CUDA, CPU], [CUDA, CPU]),
        ("cuda", [CUDA, CPU], [CUDA, CPU]),
    ],
)
def test_providers_follow_the_device(device: str, available: list[str], providers: list[str]):
    assert choose_providers(device, available) == providers


def test_cuda_without_its_provider_is_a_start_up_error_with_a_remedy():
    with pytest.raises(
        StartupError, match=r"--device cuda, but onnxruntime has only CPUExecutionProvider: install .*or start with --device cpu"
    ):
        choose_providers("cuda", [CPU])


@pytest.mark.parametrize(
    ("device", "providers", "taken"),
    [("auto", [CUDA, CPU], "cuda"), ("auto", [CPU], "cpu"), ("cpu", [CPU], "cpu"), ("cuda", [CUDA, CPU], "cuda")],
)
def test_the_device_is_what_the_session_took(device: str, providers: list[str], taken: str):
    assert taken_device(device, providers) == taken


def test_cuda_that_did_not_load_is_a_start_up_error():
    with pytest.raises(StartupError, match="the GPU's libraries did not load"):
        taken_device("cuda", [CPU])


def test_torch_takes_a_gpu_that_is_there_unless_told_otherwise():
    assert choose_device("auto", cuda=True) == "cuda"
    assert choose_device("auto", cuda=False) == "cpu"
    assert choose_device("cpu", cuda=True) == "cpu"
    assert choose_device("cuda", cuda=True) == "cuda"
    with pytest.raises(StartupError, match="--device cuda, but torch sees no GPU"):
        choose_device("cuda", cuda=False)


def test_a_gpu_that_does_not_load_is_logged_and_the_cpu_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    class Session:
        """A session of a build with GPU support on a machine without a driver."""

        def __init__(self, _model: bytes, _options: object, *, providers: list[str]) -> None:
            assert providers == [CUDA, CPU]

        def get_providers(self) -> list[str]:
            return [CPU]

        def get_inputs(self) -> list[Node]:
            return [Node("sequence", "tensor(float)", ["batch", "time", 3])]

        def get_outputs(self) -> list[Node]:
            return [Node("probabilities", "tensor(float)", ["batch", 3])]

    artifact = artifacts.publish(tmp_path, "tiny", artifacts.classifier())
    monkeypatch.setattr(onnx_module.ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnx_module.ort, "InferenceSession", Session)

    assert OnnxBackend.load(artifact, device="auto", threads=1).device == "cpu"
    assert "tiny runs on the CPU: the GPU's libraries did not load" in caplog.text
    with pytest.raises(StartupError, match="the GPU's libraries did not load"):
        OnnxBackend.load(artifact, device="cuda", threads=1)


def load_onnx(artifact: Artifact) -> OnnxBackend:
    return OnnxBackend.load(artifact, device="cpu", threads=1)


def load_torchscript(artifact: Artifact) -> TorchScriptBackend:
    return TorchScriptBackend.load(artifact, device="cpu", threads=1)


@pytest.mark.parametrize("tiny", [artifacts.forecaster(), artifacts.next_word(), artifacts.classifier()], ids=lambda tiny: tiny.task.kind)
def test_a_graph_answers_with_the_outputs_of_the_manifest(tmp_path: Path, tiny: artifacts.Tiny):
    backend = load_onnx(artifacts.publish(tmp_path, "tiny", tiny))

    for question in tiny.questions:
        answer = backend.run(question)
        assert list(answer) == [spec.name for spec in tiny.outputs]
        assert difference(tiny.run(question), answer) == 0
    assert (backend.name, backend.device) == ("onnx", "cpu")
    backend.close()


def test_a_loaded_graph_does_not_keep_its_file_in_memory(tmp_path: Path):
    backend = load_onnx(artifacts.publish(tmp_path, "tiny", artifacts.forecaster()))

    assert [name for name, value in vars(backend.session).items() if isinstance(value, bytes)] == []


@pytest.mark.parametrize(
    ("tiny", "module"),
    [(artifacts.next_word(), artifacts.next_word_torchscript), (artifacts.classifier(), artifacts.classifier_torchscript)],
    ids=["next-word", "classify"],
)
def test_torchscript_answers_as_onnx_does(tmp_path: Path, tiny: artifacts.Tiny, module: Callable[[], bytes]):
    backend = load_torchscript(artifacts.publish(tmp_path, "tiny", tiny, torchscript=module()))

    for question in tiny.questions:
        assert difference(tiny.run(question), backend.run(question)) < 1e-6
    assert (backend.name, backend.device) == ("torchscript", "cpu")


def test_torchscript_takes_read_only_arrays(tmp_path: Path):
    tiny = artifacts.classifier()
    backend = load_torchscript(artifacts.publish(tmp_path, "tiny", tiny, torchscript=artifacts.classifier_torchscript()))

    answer = backend.run({"sequence": np.frombuffer(np.zeros(6, np.float32).tobytes(), np.float32).reshape(1, 2, 3)})

    assert answer["probabilities"].tolist() == [pytest.approx([1 / 3] * 3)]


def test_a_closed_backend_does_not_run(tmp_path: Path):
    backend = load_torchscript(artifacts.publish(tmp_path, "tiny", artifacts.classifier(), torchscript=artifacts.classifier_torchscript()))
    backend.close()

    with pytest.raises(RuntimeError, match="this backend is closed"):
        backend.run({"sequence": np.zeros((1, 1, 3), np.float32)})


def test_an_artifact_without_torchscript_says_so(tmp_path: Path):
    artifact = artifacts.publish(tmp_path, "tiny", artifacts.classifier())

    with pytest.raises(ArtifactError, match=r"tiny version 1 has no model\.torchscript\.pt; it has golden\.json, model\.onnx"):
        load_torchscript(artifact)


def test_a_file_that_is_no_torchscript_is_refused(tmp_path: Path):
    artifact = artifacts.publish(tmp_path, "tiny", artifacts.classifier(), torchscript=b"no module")

    with pytest.raises(ArtifactError, match=r"model\.torchscript\.pt cannot be loaded by torch .*: export it again"):
        load_torchscript(artifact)


def test_a_torchscript_file_changed_after_it_was_published_is_never_loaded(tmp_path: Path):
    artifact = artifacts.publish(tmp_path, "tiny", artifacts.classifier(), torchscript=artifacts.classifier_torchscript())
    (artifact.folder / "model.torchscript.pt").write_bytes(b"code")

    with pytest.raises(ArtifactError, match=r"model\.torchscript\.pt was changed"):
        load_torchscript(artifact)


def test_an_onnx_file_with_weights_outside_is_never_loaded(tmp_path: Path):
    def move_weights_out(folder: Path) -> None:
        model = onnx.load(folder / "model.onnx")
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        (folder / "model.onnx").write_bytes(model.SerializeToString())

    artifact = artifacts.publish(tmp_path, "tiny", artifacts.classifier(), alter=move_weights_out)

    with pytest.raises(ArtifactError, match="keeps weights in another file"):
        load_onnx(artifact)


def test_a_graph_that_onnxruntime_cannot_load_is_refused(tmp_path: Path):
    artifact = artifacts.publish(tmp_path, "tiny", artifacts.classifier(), alter=lambda folder: (folder / "model.onnx").write_bytes(b""))

    with pytest.raises(ArtifactError, match=r"model\.onnx cannot be loaded by onnxruntime"):
        load_onnx(artifact)


SEQUENCE = Node("sequence", "tensor(float)", ["batch", "time", 3])
PROBABILITIES = Node("probabilities", "tensor(float)", ["batch", 3])


def test_a_graph_that_agrees_with_its_manifest_is_accepted():
    manifest = artifacts.manifest(artifacts.classifier(), "tiny", 1)

    check_graph(manifest, [SEQUENCE], [PROBABILITIES])
    check_graph(manifest, [SEQUENCE], [replace(PROBABILITIES, shape=["batch", "labels"])])


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([replace(SEQUENCE, name="x")], [PROBABILITIES], "model.onnx has the inputs x; the manifest says sequence: export it again"),
        (
            [SEQUENCE],
            [PROBABILITIES, replace(PROBABILITIES, name="y")],
            "has the outputs probabilities, y; the manifest says probabilities",
        ),
        ([replace(SEQUENCE, type="tensor(double)")], [PROBABILITIES], "input 'sequence' is FP64; the manifest says FP32"),
        ([replace(SEQUENCE, type="tensor(string)")], [PROBABILITIES], "input 'sequence' is tensor(string); the manifest says FP32"),
        ([replace(SEQUENCE, shape=["batch", 3])], [PROBABILITIES], "input 'sequence' has shape (-1, 3); the manifest says (-1, -1, 3)"),
        ([replace(SEQUENCE, shape=[1, "time", 3])], [PROBABILITIES], "input 'sequence' has shape (1, -1, 3)"),
        ([replace(SEQUENCE, shape=["batch", 28, 3])], [PROBABILITIES], "input 'sequence' has shape (-1, 28, 3)"),
        ([SEQUENCE], [replace(PROBABILITIES, shape=["batch", 2])], "output 'probabilities' has shape (-1, 2); the manifest says (-1, 3)"),
    ],
)
def test_a_graph_that_is_not_what_its_manifest_says_is_refused(inputs: list[Node], outputs: list[Node], message: str):
    with pytest.raises(ArtifactError) as refusal:
        check_graph(artifacts.manifest(artifacts.classifier(), "tiny", 1), inputs, outputs)

    assert message in str(refusal.value)


def test_a_published_graph_with_another_input_is_refused(tmp_path: Path):
    tiny = artifacts.classifier()
    renamed = replace(
        tiny, inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, -1, 3)),), nodes=[("Identity", ["x"], ["sequence"], {}), *tiny.nodes]
    )
    artifact = artifacts.publish(tmp_path, "tiny", tiny, alter=lambda folder: (folder / "model.onnx").write_bytes(renamed.onnx()))

    with pytest.raises(ArtifactError, match="has the inputs x; the manifest says sequence"):
        load_onnx(artifact)

"""Run model.onnx with ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import onnxruntime as ort

from service.backends.base import Device
from service.contract.golden import Tensors
from service.contract.manifest import ArtifactError, Manifest, TensorSpec
from service.contract.onnx_file import refuse_external_data
from service.contract.repository import ONNX, Artifact
from service.errors import StartupError

logger = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
GPU_REMEDY = "install the driver and `pip install 'carousel-serve[gpu]'`, or start with --device cpu"

_DATATYPES = {"tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(int64)": "INT64", "tensor(int32)": "INT32", "tensor(bool)": "BOOL"}


@dataclass(slots=True)
class OnnxBackend:
    """An ONNX Runtime session whose inputs and outputs are those of the manifest."""

    session: Any  # onnxruntime ships no types
    outputs: list[str]
    device: str
    name: str = "onnx"

    @classmethod
    def load(cls, artifact: Artifact, *, device: Device, threads: int) -> OnnxBackend:
        """Load the artifact's graph.

        Raises:
            ArtifactError: the file is refused, or its graph is not what the manifest says.
            StartupError: `cuda` was asked for and is not there.
        """
        model = artifact.read(ONNX)
        refuse_external_data(model)
        providers = choose_providers(device, ort.get_available_providers())
        try:
            session = ort.InferenceSession(model, _options(threads), providers=providers)
        except Exception as error:  # onnxruntime's exceptions share no base class but this one
            raise ArtifactError(f"{ONNX} cannot be loaded by onnxruntime {ort.__version__}: {error}") from error
        taken = taken_device(device, session.get_providers())
        if taken == "cpu" and CUDA in providers:
            logger.warning("%s runs on the CPU: the GPU's libraries did not load", artifact.manifest.name)
        check_graph(artifact.manifest, session.get_inputs(), session.get_outputs())
        return cls(session, [spec.name for spec in artifact.manifest.outputs], taken)

    def run(self, inputs: Tensors) -> Tensors:
        """Every output of the manifest for these inputs."""
        return dict(zip(self.outputs, self.session.run(self.outputs, inputs), strict=True))

    def close(self) -> None:
        """Free the session's memory."""
        self.session = None


def choose_providers(device: Device, available: Sequence[str]) -> list[str]:
    """Execution providers to ask for, best first, given those that this build of onnxruntime has.

    Raises:
        StartupError: `cuda` was asked for and this build has no GPU support.
    """
    if device == "cpu" or (device == "auto" and CUDA not in available):
        return [CPU]
    if CUDA not in available:
        raise StartupError(f"--device cuda, but onnxruntime has only {', '.join(available)}: {GPU_REMEDY}")
    return [CUDA, CPU]


def taken_device(device: Device, providers: Sequence[str]) -> str:
    """Where a session with these providers runs.

    Raises:
        StartupError: `cuda` was asked for and did not load.
    """
    if CUDA in providers:
        return "cuda"
    if device == "cuda":
        raise StartupError(f"--device cuda, but the GPU's libraries did not load: {GPU_REMEDY}")
    return "cpu"


def check_graph(manifest: Manifest, inputs: Iterable[Any], outputs: Iterable[Any]) -> None:
    """Do nothing when the graph takes and gives what the manifest says; the arguments are onnxruntime's `NodeArg`s.

    Raises:
        ArtifactError: a tensor is missing, unknown, of another type or shape, or its batch axis is fixed.
    """
    for what, specs, nodes in (("input", manifest.inputs, inputs), ("output", manifest.outputs, outputs)):
        found = {node.name: node for node in nodes}
        wanted = {spec.name: spec for spec in specs}
        if found.keys() != wanted.keys():
            raise ArtifactError(f"{ONNX} has the {what}s {', '.join(found)}; the manifest says {', '.join(wanted)}: export it again")
        for name, spec in wanted.items():
            _check_tensor(spec, found[name], what)


def _check_tensor(spec: TensorSpec, node: Any, what: str) -> None:  # noqa: ANN401 - onnxruntime ships no types
    datatype = _DATATYPES.get(node.type)
    if datatype != spec.datatype:
        raise ArtifactError(f"{ONNX}: {what} {spec.name!r} is {datatype or node.type}; the manifest says {spec.datatype}: export it again")
    graph = tuple(size if isinstance(size, int) else -1 for size in node.shape)  # free axes have names in the graph
    agree = len(graph) == len(spec.shape) and all(own in (-1, said) for own, said in zip(graph, spec.shape, strict=True))
    if not agree:
        raise ArtifactError(f"{ONNX}: {what} {spec.name!r} has shape {graph}; the manifest says {spec.shape}: export it again")


def _options(threads: int) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; what matters is raised and logged here
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads sleep: the event loop needs the core
    return options

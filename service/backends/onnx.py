"""Run model.onnx, or model.int8.onnx, with ONNX Runtime."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import onnxruntime as ort

from service.backends.base import Device, WantedPrecision
from service.contract.golden import Tensors
from service.contract.int8 import Precision
from service.contract.manifest import ArtifactError, Manifest, TensorSpec
from service.contract.onnx_file import refuse_external_data
from service.contract.repository import ONNX, ONNX_INT8, Artifact
from service.errors import StartupError

logger = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
GPU_REMEDY = "install the driver and `pip install 'carousel-serve[gpu]'`, or start with --device cpu"

ARENA_BYTES = 4 << 20
"""What the arena has at first, in which all sessions of the process do their arithmetic; each time that it is too small it doubles."""
_MAKING_ARENA = threading.Lock()

_DATATYPES = {"tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(int64)": "INT64", "tensor(int32)": "INT32", "tensor(bool)": "BOOL"}


@dataclass(slots=True)
class OnnxBackend:
    """An ONNX Runtime session whose inputs and outputs are those of the manifest."""

    session: Any  # onnxruntime ships no types
    outputs: list[str]
    device: str
    name: str = "onnx"
    precision: Precision = "fp32"

    @classmethod
    def load(cls, artifact: Artifact, *, device: Device, threads: int, precision: WantedPrecision = "fp32") -> OnnxBackend:
        """Load the artifact's graph in the precision that is wanted.

        Raises:
            ArtifactError: the file is refused, or its graph is not what the manifest says, or there is none of this precision.
            StartupError: `cuda` was asked for and is not there, or has no kernels of this precision.
        """
        providers = choose_providers(device, ort.get_available_providers())
        chosen = choose_precision(precision, artifact.manifest, device=device, cuda=CUDA in providers)
        if chosen == "int8":
            providers = [CPU]
        file = ONNX_INT8 if chosen == "int8" else ONNX
        model = artifact.read(file)
        refuse_external_data(model, what=file)
        with _MAKING_ARENA:
            _make_arena()
        try:
            session = ort.InferenceSession(model, _options(threads), providers=providers)
        except Exception as error:  # onnxruntime's exceptions share no base class but this one
            raise ArtifactError(f"{file} cannot be loaded by onnxruntime {ort.__version__}: {error}") from error
        taken = taken_device(device, session.get_providers())
        if taken == "cpu":
            session._model_bytes = None  # it keeps the file in memory, to load it again should a GPU fail
        if taken == "cpu" and CUDA in providers:
            logger.warning("%s runs on the CPU: the GPU's libraries did not load", artifact.manifest.name)
        check_graph(artifact.manifest, session.get_inputs(), session.get_outputs(), what=file)
        return cls(session, [spec.name for spec in artifact.manifest.outputs], taken, precision=chosen)

    def run(self, inputs: Tensors, outputs: Sequence[str] = ()) -> Tensors:
        """These outputs for these inputs, or every one of the manifest."""
        names = outputs or self.outputs
        return dict(zip(names, self.session.run(names, inputs), strict=True))

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


def choose_precision(wanted: WantedPrecision, manifest: Manifest, *, device: Device, cuda: bool) -> Precision:
    """The precision to run in: `auto` takes int8 on the CPU where it is published and was faster. It has no kernels for a GPU (`cuda`).

    Raises:
        ArtifactError: `int8` was asked for and this artifact has none.
        StartupError: `int8` was asked for on a GPU.
    """
    int8 = manifest.int8
    if wanted == "auto":
        return "int8" if int8 is not None and int8.pays and not cuda else "fp32"
    if wanted == "int8" and device == "cuda":
        raise StartupError("--precision int8 runs on the CPU: start with --device cpu, or with --precision auto")
    if wanted == "int8" and int8 is None:
        remedy = f"add one with `carousel-train quantize {manifest.name}`, or start with --precision auto"
        raise ArtifactError(f"--precision int8, but it has no graph in int8: {remedy}")
    if wanted == "int8" and int8 is not None and not int8.published:
        raise ArtifactError(f"--precision int8, but its graph in int8 was not published ({int8.reason}): start with --precision auto")
    return wanted


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


def check_graph(manifest: Manifest, inputs: Iterable[Any], outputs: Iterable[Any], *, what: str = ONNX) -> None:
    """Do nothing when the graph of a file takes and gives what the manifest says; the arguments are onnxruntime's `NodeArg`s.

    Raises:
        ArtifactError: a tensor is missing, unknown, of another type or shape, or its batch axis is fixed.
    """
    for side, specs, nodes in (("input", manifest.inputs, inputs), ("output", manifest.outputs, outputs)):
        found = {node.name: node for node in nodes}
        wanted = {spec.name: spec for spec in specs}
        if found.keys() != wanted.keys():
            raise ArtifactError(f"{what} has the {side}s {', '.join(found)}; the manifest says {', '.join(wanted)}: export it again")
        for name, spec in wanted.items():
            _check_tensor(spec, found[name], f"{what}: {side} {name!r}")


def _check_tensor(spec: TensorSpec, node: Any, which: str) -> None:  # noqa: ANN401 - onnxruntime ships no types
    datatype = _DATATYPES.get(node.type)
    if datatype != spec.datatype:
        raise ArtifactError(f"{which} is {datatype or node.type}; the manifest says {spec.datatype}: export it again")
    graph = tuple(size if isinstance(size, int) else -1 for size in node.shape)  # free axes have names in the graph
    agree = len(graph) == len(spec.shape) and all(own in (-1, said) for own, said in zip(graph, spec.shape, strict=True))
    if not agree:
        raise ArtifactError(f"{which} has shape {graph}; the manifest says {spec.shape}: export it again")


def _options(threads: int) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # one is kept for every size of batch: no faster, and megabytes
    options.add_session_config_entry("session.use_env_allocators", "1")  # the arena of `_make_arena`
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")  # weights go when the model does
    options.log_severity_level = 3  # errors; what matters is raised and logged here
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads sleep: the event loop needs the core
    return options


@cache
def _make_arena() -> None:
    """Once for the process: models take turns, and an arena of its own would keep for each what its largest batch has taken."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    doubling, default = 0, -1
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(0, doubling, ARENA_BYTES, default))  # 0: as large as it is needed

"""From a trained network to a published artifact: TorchScript and ONNX, proof that they compute the same, golden requests, the manifest."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from service.contract.golden import Golden, Tensors, difference, dump_goldens, parse_goldens, replay
from service.contract.int8 import INT8_TOLERANCE
from service.contract.manifest import PARITY_TOLERANCE, ArtifactError, ParameterEntry, TensorSpec
from service.contract.repository import GOLDEN, GOLDEN_INT8, ONNX, ONNX_INT8, TORCHSCRIPT, Artifact
from training.cells import GATES, Cell

OPSET = 17
Run = Callable[[Tensors], Tensors]


@dataclass(frozen=True, slots=True)
class Graph:
    """A trained network as it is exported: it takes its inputs in order and answers its outputs in order."""

    module: nn.Module
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    state: dict[str, str] = field(default_factory=dict)
    unrecorded: frozenset[str] = frozenset()
    """Outputs left out of golden.json, because others that are in it follow from them and they are large."""

    def run(self, tensors: Tensors) -> Tensors:
        """Run the network itself."""
        return _run_module(self, self.module, tensors)


def export(graph: Graph, folder: Path, *, trials: list[Tensors], goldens: list[Tensors]) -> dict[str, float]:
    """Write model.onnx, model.torchscript.pt and golden.json into `folder`; the largest difference from torch of each format.

    `trials` are inputs of several batch sizes and lengths: what is exported from the first must compute the same on all of them.

    Raises:
        ArtifactError: an exported graph differs from the network by more than the parity tolerance, or fails on one of the trials.
    """
    (folder / ONNX).write_bytes(to_onnx(graph, trials[0]))
    _check_shapes(graph, folder / ONNX)
    (folder / TORCHSCRIPT).write_bytes(to_torchscript(graph, trials[0]))
    parity = {
        ONNX: _parity(graph, trials, onnx_run(folder / ONNX)),
        TORCHSCRIPT: _parity(graph, trials, torchscript_run(graph, folder / TORCHSCRIPT)),
    }
    for name, worst in parity.items():
        if worst > PARITY_TOLERANCE:
            raise ArtifactError(f"{name} differs from the trained network by {worst:.2g}, over {PARITY_TOLERANCE:g}: not published")
    recorded = [
        Golden(inputs, {name: array for name, array in graph.run(inputs).items() if name not in graph.unrecorded}) for inputs in goldens
    ]
    (folder / GOLDEN).write_text(dump_goldens(recorded), encoding="utf-8")
    return parity


def replay_published(artifact: Artifact, graph: Graph) -> None:
    """Replay the golden requests through each graph of an artifact as it lies on disk.

    Raises:
        ArtifactError: one of them answers differently.
    """
    goldens = parse_goldens(artifact.file(GOLDEN).read_bytes())
    replay(goldens, onnx_run(artifact.file(ONNX)), what=ONNX)
    replay(goldens, torchscript_run(graph, artifact.file(TORCHSCRIPT)), what=TORCHSCRIPT)
    if ONNX_INT8 in artifact.manifest.files:
        own = parse_goldens(artifact.file(GOLDEN_INT8).read_bytes())
        replay(own, onnx_run(artifact.file(ONNX_INT8)), what=ONNX_INT8, tolerance=INT8_TOLERANCE)


def to_onnx(graph: Graph, example: Tensors) -> bytes:
    """The network as an ONNX file, batch and time free.

    By the TorchScript-based exporter: the newer one was seen to fix time to the example's length for nn.RNN and for embedding + LSTM.
    """
    free = {
        spec.name: {axis: f"{spec.name}_{axis}" if axis else "batch" for axis, size in enumerate(spec.shape) if size < 0}
        for spec in (*graph.inputs, *graph.outputs)
    }
    stream = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        _quiet_tracing()
        torch.onnx.export(
            graph.module,
            _arguments(graph, example),
            stream,  # type: ignore[arg-type]  # a stream is accepted by this exporter
            input_names=[spec.name for spec in graph.inputs],
            output_names=[spec.name for spec in graph.outputs],
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
    return stream.getvalue()


def to_torchscript(graph: Graph, example: Tensors) -> bytes:
    """The network as a TorchScript file."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        _quiet_tracing()
        traced = torch.jit.trace(graph.module, _arguments(graph, example), check_trace=False)  # type: ignore[no-untyped-call]  # torch has not annotated it
        torch.jit.save(traced, stream)
    return stream.getvalue()


def onnx_run(path: Path, *, threads: int = 0) -> Run:
    """What runs an ONNX file, all outputs by name; 0 threads: as many as cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda tensors: dict(zip(names, session.run(names, tensors), strict=True))


def torchscript_run(graph: Graph, path: Path) -> Run:
    """What runs a TorchScript file that was exported from `graph`."""
    with warnings.catch_warnings():
        _quiet_tracing()
        module = torch.jit.load(io.BytesIO(path.read_bytes()), map_location="cpu")  # type: ignore[no-untyped-call]  # torch has not annotated it
    return lambda tensors: _run_module(graph, module, tensors)


def parameter_table(network: nn.Module, cell: Cell) -> tuple[ParameterEntry, ...]:
    """Every trained weight of `network`, tied ones once; those of cells with the gates stacked in them."""
    return tuple(
        ParameterEntry(
            name=name, shape=tuple(weight.shape), count=weight.numel(), gates=GATES[cell] if name.startswith("recurrent.") else None
        )
        for name, weight in network.named_parameters()
    )


def _check_shapes(graph: Graph, path: Path) -> None:
    """Raises ArtifactError where the file declares other fixed sizes than the signature: servers would refuse it."""
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    declared = {tensor.name: tensor.shape for tensor in (*session.get_inputs(), *session.get_outputs())}
    for spec in (*graph.inputs, *graph.outputs):
        sizes = declared[spec.name]
        known = [(said, size) for said, size in zip(sizes, spec.shape, strict=True) if isinstance(said, int) and size > 0]
        if any(said != size for said, size in known):
            raise ArtifactError(f"{path.name} declares {spec.name} as {sizes}, but it is {spec.shape}: not published")


def _parity(graph: Graph, trials: list[Tensors], run: Run) -> float:
    worst = 0.0
    for tensors in trials:
        try:
            worst = max(worst, difference(graph.run(tensors), run(tensors)))
        except Exception as error:  # each runtime has exceptions of its own
            shapes = {name: array.shape for name, array in tensors.items()}
            raise ArtifactError(f"the exported graph fails on inputs of shape {shapes}: {error}") from error
    return worst


def _run_module(graph: Graph, module: Callable[..., Tensor | tuple[Tensor, ...]], tensors: Tensors) -> Tensors:
    with torch.no_grad():
        answered = module(*_arguments(graph, tensors))
    outputs = answered if isinstance(answered, tuple) else (answered,)
    return {spec.name: output.numpy() for spec, output in zip(graph.outputs, outputs, strict=True)}


def _arguments(graph: Graph, tensors: Tensors) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(tensors[spec.name]) for spec in graph.inputs)


def _quiet_tracing() -> None:
    """Within catch_warnings: what tracing says of any recurrent layer. The parity trials show that batch and time are free."""
    for category in (DeprecationWarning, FutureWarning, torch.jit.TracerWarning):  # type: ignore[attr-defined]  # public, though not listed
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size other than 1", category=UserWarning)

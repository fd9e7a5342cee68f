"""Real artifacts of each task, too small to need training: their graphs are arithmetic that can be done by hand.

- forecaster: every quantile is the last value, plus what `future` holds of that step, plus -1, 0 or 1 (levels 0.1, 0.5, 0.9).
- next word: word n + 1 follows word n, the likelier the less the state holds; `state_h` halves and adds the token, `state_c` counts runs.
- classifier: the label whose column has the largest sum over time.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from service.contract import repository
from service.contract.golden import DTYPES, Golden, Tensors, dump_goldens
from service.contract.int8 import Int8
from service.contract.manifest import (
    ClassifyTask,
    Data,
    ForecastTask,
    Manifest,
    Network,
    NextWordTask,
    Scores,
    Task,
    TensorSpec,
    Training,
)
from service.contract.tokenizer import WordTokenizer

HORIZON = 3
CONTEXT = 6
WORDS = "the cat sat on the mat . the dog sat on the log ."
LABELS = ("zero", "one", "two")
HIDDEN = 2

_ONNX_TYPES = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}


@dataclass(frozen=True, slots=True)
class Tiny:
    """A model to publish. `nodes` are (operator, inputs, outputs, attributes)."""

    task: Task
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    nodes: list[tuple[str, list[str], list[str], dict[str, object]]]
    constants: dict[str, NDArray[np.generic]]
    questions: list[Tensors]
    state: dict[str, str] = field(default_factory=dict)
    tokenizer: WordTokenizer | None = None

    def onnx(self) -> bytes:
        """The bytes of model.onnx."""
        used = {name for _, inputs, _, _ in self.nodes for name in inputs}
        graph = helper.make_graph(
            [helper.make_node(kind, inputs, outputs, **attributes) for kind, inputs, outputs, attributes in self.nodes],
            "tiny",
            [_value(spec) for spec in self.inputs],
            [_value(spec) for spec in self.outputs],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items() if name in used],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()

    def run(self, inputs: Tensors) -> Tensors:
        """What onnxruntime answers."""
        session = _session(self.onnx())
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, session.run(names, inputs), strict=True))


def forecaster(
    *,
    calendar: tuple[str, ...] = (),
    future: tuple[str, ...] = (),
    past: tuple[str, ...] = (),
    frequency: str = "D",
    time_zone: str | None = None,
    holidays: str | None = None,
) -> Tiny:
    """A forecaster with the covariates that are named."""
    known = len(future) + len(calendar)
    inputs = [TensorSpec(name="target", datatype="FP32", shape=(-1, -1))]
    question: Tensors = {"target": np.array([[1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60]], np.float32)}
    total = "last"
    nodes: list[tuple[str, list[str], list[str], dict[str, object]]] = [
        ("Slice", ["target", "minus_one", "end", "one"], ["newest"], {}),  # (batch, 1)
        ("Unsqueeze", ["newest", "two"], ["last"], {}),  # (batch, 1, 1)
    ]
    if past:
        inputs.append(TensorSpec(name="past", datatype="FP32", shape=(-1, -1, len(past))))
        question["past"] = np.zeros((2, CONTEXT, len(past)), np.float32)
        nodes += [("ReduceMean", ["past"], ["mean_past"], {"axes": [1, 2]}), ("Add", [total, "mean_past"], ["with_past"], {})]
        total = "with_past"
    if known:
        inputs.append(TensorSpec(name="future", datatype="FP32", shape=(-1, -1, known)))
        question["future"] = np.ones((2, CONTEXT + HORIZON, known), np.float32)
        nodes += [
            ("Slice", ["future", "minus_horizon", "end", "one"], ["ahead"], {}),  # (batch, horizon, known)
            ("ReduceSum", ["ahead", "two"], ["added"], {}),  # (batch, horizon, 1)
            ("Add", [total, "added"], ["with_future"], {}),
        ]
        total = "with_future"
    nodes.append(("Add", [total, "spread"], ["quantiles"], {}))  # (batch, horizon, quantiles)
    integers = {"minus_one": -1, "minus_horizon": -HORIZON, "end": 2**31, "one": 1, "two": 2}
    return Tiny(
        ForecastTask(
            target="load",
            horizon=HORIZON,
            context=CONTEXT,
            min_context=2,
            frequency=frequency,
            quantiles=(0.1, 0.5, 0.9),
            past=past,
            future=future,
            calendar=calendar,
            time_zone=time_zone,
            holidays=holidays,
        ),
        tuple(inputs),
        (TensorSpec(name="quantiles", datatype="FP32", shape=(-1, HORIZON, 3)),),
        nodes,
        {
            **{name: np.array([value], np.int64) for name, value in integers.items()},
            "spread": np.tile(np.array([-1, 0, 1], np.float32), (1, HORIZON, 1)),
        },
        [question],
    )


def next_word() -> Tiny:
    """A next-word model over `WORDS`."""
    tokenizer = WordTokenizer.train([WORDS], vocabulary=50)
    size = len(tokenizer)
    state = (-1, 1, HIDDEN)
    specs = (
        TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1)),
        TensorSpec(name="state_h", datatype="FP32", shape=state),
        TensorSpec(name="state_c", datatype="FP32", shape=state),
    )
    outputs = (
        TensorSpec(name="log_probs", datatype="FP32", shape=(-1, size)),
        TensorSpec(name="top_ids", datatype="INT64", shape=(-1, 3)),
        TensorSpec(name="top_log_probs", datatype="FP32", shape=(-1, 3)),
        TensorSpec(name="next_state_h", datatype="FP32", shape=state),
        TensorSpec(name="next_state_c", datatype="FP32", shape=state),
    )
    nodes: list[tuple[str, list[str], list[str], dict[str, object]]] = [
        ("Slice", ["tokens", "minus_one", "end", "one"], ["last"], {}),  # (batch, 1)
        ("Squeeze", ["last", "one"], ["newest"], {}),  # (batch,)
        ("Gather", ["table", "newest"], ["scores"], {}),  # (batch, vocabulary)
        ("ReduceMean", ["state_h"], ["memory"], {"axes": [1, 2], "keepdims": 0}),  # (batch,)
        ("Abs", ["memory"], ["size"], {}),
        ("Unsqueeze", ["size", "one"], ["column"], {}),
        ("Add", ["column", "unit"], ["divisor"], {}),
        ("Div", ["scores", "divisor"], ["tempered"], {}),
        ("LogSoftmax", ["tempered"], ["log_probs"], {"axis": 1}),
        ("TopK", ["log_probs", "three"], ["top_log_probs", "top_ids"], {}),
        ("Cast", ["last"], ["number"], {"to": TensorProto.FLOAT}),
        ("Unsqueeze", ["number", "one"], ["numbers"], {}),  # (batch, 1, 1)
        ("Mul", ["state_h", "half"], ["halved"], {}),
        ("Add", ["halved", "numbers"], ["next_state_h"], {}),
        ("Add", ["state_c", "unit"], ["next_state_c"], {}),
    ]
    integers = {"minus_one": -1, "end": 2**31, "one": 1, "three": 3}
    zeros = np.zeros((2, 1, HIDDEN), np.float32)
    tokens = np.array([[0, 2, 3], [0, 4, 5]], np.int64)
    return Tiny(
        NextWordTask(vocabulary=size, top_k=3, end_id=tokenizer.end_id, unknown_id=tokenizer.unknown_id),
        specs,
        outputs,
        nodes,
        {
            **{name: np.array([value], np.int64) for name, value in integers.items()},
            "table": np.roll(np.eye(size, dtype=np.float32), 1, axis=1) * 5,
            "half": np.array([0.5], np.float32),
            "unit": np.array([1], np.float32),
        },
        [
            {"tokens": tokens, "state_h": zeros, "state_c": zeros},
            {"tokens": tokens[:1, :1], "state_h": zeros[:1] + 1, "state_c": zeros[:1]},
        ],
        {"state_h": "next_state_h", "state_c": "next_state_c"},
        tokenizer,
    )


def classifier() -> Tiny:
    """A classifier of rows of three numbers."""
    return Tiny(
        ClassifyTask(labels=LABELS, features=3),
        (TensorSpec(name="sequence", datatype="FP32", shape=(-1, -1, 3)),),
        (TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 3)),),
        [("ReduceSum", ["sequence", "one"], ["sums"], {"keepdims": 0}), ("Softmax", ["sums"], ["probabilities"], {"axis": 1})],
        {"one": np.array([1], np.int64)},
        [{"sequence": np.array([[[1, 0, 0], [0, 0, 0.5]]], np.float32)}, {"sequence": np.zeros((2, 5, 3), np.float32)}],
    )


def doubtful_classifier() -> Tiny:
    """`classifier`, but less sure: its sums are halved, so that one can tell which of the two has answered."""
    plain = classifier()
    halved = [plain.nodes[0], ("Mul", ["sums", "half"], ["less"], {}), ("Softmax", ["less"], ["probabilities"], {"axis": 1})]
    return replace(plain, nodes=halved, constants={**plain.constants, "half": np.array([0.5], np.float32)})


def publish(
    root: Path,
    name: str,
    tiny: Tiny,
    *,
    torchscript: bytes | None = None,
    int8: Tiny | None = None,
    faster: float = 1.5,
    alter: Callable[[Path], object] = lambda _folder: None,
    check: Callable[[repository.Artifact], None] = lambda _artifact: None,
) -> repository.Artifact:
    """Publish `tiny`; `alter` may spoil the files before they are hashed. `int8` stands for its graph in int8, so many times `faster`."""

    def write(folder: Path, version: int) -> Manifest:
        (folder / repository.ONNX).write_bytes(tiny.onnx())
        recorded = [Golden(inputs, tiny.run(inputs)) for inputs in tiny.questions]
        (folder / repository.GOLDEN).write_text(dump_goldens(recorded))
        if tiny.tokenizer is not None:
            (folder / repository.TOKENIZER).write_text(tiny.tokenizer.to_json())
        if torchscript is not None:
            (folder / repository.TORCHSCRIPT).write_bytes(torchscript)
        if int8 is not None:
            (folder / repository.ONNX_INT8).write_bytes(int8.onnx())
            own = [Golden(inputs, int8.run(inputs)) for inputs in tiny.questions]
            (folder / repository.GOLDEN_INT8).write_text(dump_goldens(own))
        alter(folder)
        compared = Int8(published=True, smaller=4.0, faster={"1": faster}) if int8 is not None else None
        return manifest(tiny, name, version, folder, int8=compared)

    return repository.publish(root, name, write=write, check=check)


def manifest(tiny: Tiny, name: str, version: int, folder: Path | None = None, *, int8: Int8 | None = None) -> Manifest:
    """The manifest of `tiny` with the files of `folder`."""
    files = sorted(folder.iterdir()) if folder is not None else []
    return Manifest(
        name=name,
        version=version,
        created="2026-01-31T09:00:00Z",
        description="arithmetic",
        task=tiny.task,
        inputs=tiny.inputs,
        outputs=tiny.outputs,
        state=tiny.state,
        network=Network(cell="lstm", layers=1, hidden=HIDDEN, parameters=(), total=0),
        data=Data(source="none", sha256="0" * 64, rows=0),
        scores=Scores(split="none", model={"mae": 1.5}, baselines={"last value": {"mae": 2.0}}, beats_naive=True),
        training=Training(config={}, seed=1, device="cpu", epochs=0, seconds=0.0, libraries={}),
        parity={repository.ONNX: 0.0},
        int8=int8,
        files={path.name: repository.file_entry(path) for path in files},
    )


def classifier_torchscript() -> bytes:
    """model.torchscript.pt of `classifier`."""
    import torch

    class Module(torch.nn.Module):
        def forward(self, sequence: torch.Tensor) -> torch.Tensor:
            return torch.softmax(sequence.sum(dim=1), dim=1)

    return _traced(Module(), torch.zeros(2, 4, 3))


def next_word_torchscript() -> bytes:
    """model.torchscript.pt of `next_word`."""
    import torch

    table = torch.from_numpy(next_word().constants["table"])

    class Module(torch.nn.Module):
        def forward(self, tokens: torch.Tensor, state_h: torch.Tensor, state_c: torch.Tensor) -> tuple[torch.Tensor, ...]:
            last = tokens[:, -1]
            log_probs = torch.log_softmax(table[last] / (state_h.mean(dim=(1, 2)).abs()[:, None] + 1), dim=1)
            best = torch.topk(log_probs, 3)
            return log_probs, best.indices, best.values, state_h * 0.5 + last.float()[:, None, None], state_c + 1

    zeros = torch.zeros(2, 1, HIDDEN)
    return _traced(Module(), torch.zeros(2, 4, dtype=torch.int64), zeros, zeros)


def _traced(module: object, *example: object) -> bytes:
    import torch

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit", category=DeprecationWarning)  # torch deprecates TorchScript as a whole
        torch.jit.save(torch.jit.trace(module, example, check_trace=False), stream)
    return stream.getvalue()


@lru_cache
def _session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    axes = [f"{spec.name}_{axis}" if size < 0 else size for axis, size in enumerate(spec.shape)]
    assert DTYPES[spec.datatype]
    return helper.make_tensor_value_info(spec.name, _ONNX_TYPES[spec.datatype], axes)

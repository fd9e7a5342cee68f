"""A next-word model whose graph is a real LSTM with random weights: what it says depends on every token, in their order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import NextWordTask, Pointer, TensorSpec
from service.contract.tokenizer import WordTokenizer
from service.tasks.reading import Reading
from tests.artifacts import WORDS, Tiny

EMBEDDING = 4
HIDDEN = 6


def next_word(*, pointer: Pointer | None = None, seed: int = 0) -> Tiny:
    """A next-word model over the words of `tests.artifacts`; with a pointer, its graph gives `vectors`, too."""
    tokenizer = WordTokenizer.train([WORDS], vocabulary=50)
    size = len(tokenizer)
    state = (-1, 1, HIDDEN)
    outputs = [
        TensorSpec(name="log_probs", datatype="FP32", shape=(-1, size)),
        TensorSpec(name="top_ids", datatype="INT64", shape=(-1, 3)),
        TensorSpec(name="top_log_probs", datatype="FP32", shape=(-1, 3)),
        TensorSpec(name="next_h", datatype="FP32", shape=state),
        TensorSpec(name="next_c", datatype="FP32", shape=state),
    ]
    if pointer is not None:
        outputs.append(TensorSpec(name="vectors", datatype="FP32", shape=(-1, -1, HIDDEN)))
    zeros = np.zeros((2, 1, HIDDEN), np.float32)
    return Tiny(
        NextWordTask(vocabulary=size, top_k=3, end_id=tokenizer.end_id, unknown_id=tokenizer.unknown_id, pointer=pointer),
        (
            TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1)),
            TensorSpec(name="state_h", datatype="FP32", shape=state),
            TensorSpec(name="state_c", datatype="FP32", shape=state),
        ),
        tuple(outputs),
        [*_NODES, *(_VECTORS if pointer is not None else [])],
        {**_weights(size, seed), **{name: np.array([value], np.int64) for name, value in (("zero", 0), ("one", 1), ("three", 3))}},
        [{"tokens": np.array([[0, 2, 3], [0, 4, 5]], np.int64), "state_h": zeros, "state_c": zeros}],
        {"state_h": "next_h", "state_c": "next_c"},
        tokenizer,
    )


def graph(tiny: Tiny) -> Callable[[Tensors], Tensors]:
    """What onnxruntime answers, quickly."""
    session = onnxruntime.InferenceSession(tiny.onnx(), providers=["CPUExecutionProvider"])
    names = [spec.name for spec in tiny.outputs]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def same(one: Reading, other: Reading) -> bool:
    """Whether two readings say the same and go on from the same state."""
    assert not one.log_probs.flags.writeable
    assert one.state.keys() == other.state.keys()
    return np.allclose(np.exp(one.log_probs), np.exp(other.log_probs), rtol=0, atol=1e-6) and all(
        np.allclose(one.state[name], other.state[name], rtol=0, atol=1e-5) for name in one.state
    )


def _weights(size: int, seed: int) -> dict[str, NDArray[np.generic]]:
    generator = np.random.default_rng(seed)
    shapes = {"table": (size, EMBEDDING), "W": (1, 4 * HIDDEN, EMBEDDING), "R": (1, 4 * HIDDEN, HIDDEN), "output": (HIDDEN, size)}
    return {name: generator.normal(0, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}


_NODES: list[tuple[str, list[str], list[str], dict[str, object]]] = [
    ("Gather", ["table", "tokens"], ["embedded"], {}),  # (batch, time, embedding)
    ("Transpose", ["embedded"], ["x"], {"perm": [1, 0, 2]}),
    ("Transpose", ["state_h"], ["h"], {"perm": [1, 0, 2]}),  # (layers, batch, hidden)
    ("Transpose", ["state_c"], ["c"], {"perm": [1, 0, 2]}),
    ("LSTM", ["x", "W", "R", "", "", "h", "c"], ["y", "last_h", "last_c"], {"hidden_size": HIDDEN}),  # y (time, 1, batch, hidden)
    ("Transpose", ["last_h"], ["next_h"], {"perm": [1, 0, 2]}),
    ("Transpose", ["last_c"], ["next_c"], {"perm": [1, 0, 2]}),
    ("Squeeze", ["last_h", "zero"], ["newest"], {}),  # (batch, hidden)
    ("MatMul", ["newest", "output"], ["scores"], {}),
    ("LogSoftmax", ["scores"], ["log_probs"], {"axis": 1}),
    ("TopK", ["log_probs", "three"], ["top_log_probs", "top_ids"], {}),
]
_VECTORS: list[tuple[str, list[str], list[str], dict[str, object]]] = [
    ("Squeeze", ["y", "one"], ["steps"], {}),  # (time, batch, hidden)
    ("Transpose", ["steps"], ["behind"], {"perm": [1, 0, 2]}),
    ("LpNormalization", ["behind"], ["vectors"], {"axis": -1, "p": 2}),
]

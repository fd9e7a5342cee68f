"""Models with state: a real LSTM of a few numbers, and one whose state can be worked out in the head."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from service.contract.golden import Tensors
from service.contract.manifest import FileEntry, Manifest, NextWordTask, TensorSpec
from service.contract.repository import ONNX, Location
from service.contract.tokenizer import WordTokenizer
from service.errors import ModelNotFound, VersionNotFound
from service.served_model import ServedModel
from service.settings import Settings
from tests import artifacts
from tests.artifacts import WORDS, Tiny

WIDTH = 4
EMBEDDED = 3


def lstm(seed: int = 1) -> Tiny:
    """A next-word model of one LSTM. Sorted by name, its states come out in the other order than they go in."""
    tokenizer = WordTokenizer.train([WORDS], vocabulary=50)
    size = len(tokenizer)
    generator = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return generator.normal(0, 0.5, shape).astype(np.float32)

    state = (-1, 1, WIDTH)
    nodes: list[tuple[str, list[str], list[str], dict[str, object]]] = [
        ("Gather", ["table", "tokens"], ["embedded"], {}),  # (batch, time, embedded)
        ("Transpose", ["embedded"], ["steps"], {"perm": [1, 0, 2]}),
        ("Transpose", ["state_h"], ["h"], {"perm": [1, 0, 2]}),
        ("Transpose", ["state_c"], ["c"], {"perm": [1, 0, 2]}),
        ("LSTM", ["steps", "W", "R", "B", "", "h", "c"], ["", "last_h", "last_c"], {"hidden_size": WIDTH}),
        ("Transpose", ["last_h"], ["z_state"], {"perm": [1, 0, 2]}),
        ("Transpose", ["last_c"], ["a_state"], {"perm": [1, 0, 2]}),
        ("Squeeze", ["last_h", "zero"], ["top"], {}),  # (batch, width)
        ("MatMul", ["top", "out"], ["scores"], {}),
        ("LogSoftmax", ["scores"], ["log_probs"], {"axis": 1}),
        ("TopK", ["log_probs", "three"], ["top_log_probs", "top_ids"], {}),
    ]
    zeros = np.zeros((2, 1, WIDTH), np.float32)
    return Tiny(
        NextWordTask(vocabulary=size, top_k=3, end_id=tokenizer.end_id, unknown_id=tokenizer.unknown_id),
        (
            TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1)),
            TensorSpec(name="state_h", datatype="FP32", shape=state),
            TensorSpec(name="state_c", datatype="FP32", shape=state),
        ),
        (
            TensorSpec(name="log_probs", datatype="FP32", shape=(-1, size)),
            TensorSpec(name="top_ids", datatype="INT64", shape=(-1, 3)),
            TensorSpec(name="top_log_probs", datatype="FP32", shape=(-1, 3)),
            TensorSpec(name="a_state", datatype="FP32", shape=state),
            TensorSpec(name="z_state", datatype="FP32", shape=state),
        ),
        nodes,
        {
            "table": weights(size, EMBEDDED),
            "W": weights(1, 4 * WIDTH, EMBEDDED),
            "R": weights(1, 4 * WIDTH, WIDTH),
            "B": weights(1, 8 * WIDTH),
            "out": weights(WIDTH, size),
            "zero": np.array([0], np.int64),
            "three": np.array([3], np.int64),
        },
        [{"tokens": np.array([[0, 2, 3], [0, 4, 5]]), "state_h": zeros, "state_c": zeros}],
        {"state_h": "z_state", "state_c": "a_state"},
        tokenizer,
    )


@contextmanager
def loaded(root: Path, name: str, version: int) -> Iterator[ServedModel]:
    """A model of this folder, served by nobody."""
    model = ServedModel.load(Location(name, version, root / name / str(version)), root=root, settings=Settings(models=root))
    try:
        yield model
    finally:
        model.close(5)


@dataclass(slots=True)
class Digits:
    """A model that writes the tokens it is given behind one another: 3 after 12 is 123. It waits while its gate is shut.

    A token of -1 makes it fail.
    """

    manifest: Manifest
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, version: int = 1, *, graph: str = "a") -> Digits:
        spec = {"datatype": "INT64", "shape": (-1, 1)}
        tiny = artifacts.classifier()
        manifest = artifacts.manifest(tiny, "digits", version).model_copy(
            update={
                "inputs": (TensorSpec(name="digit", **spec), TensorSpec(name="number", **spec)),
                "outputs": (TensorSpec(name="written", **spec),),
                "state": {"number": "written"},
                "files": {ONNX: FileEntry(sha256=graph * 64, bytes=1)},
            }
        )
        made = cls(manifest)
        made.open.set()
        return made

    async def infer(self, inputs: Tensors, _timeout_s: float, _priority: int) -> Tensors:
        self.asked.append(int(inputs["digit"][0, 0]))
        await self.open.wait()
        if inputs["digit"][0, 0] == -1:
            raise ArithmeticError("poison")
        return {"written": inputs["number"] * 10 + inputs["digit"]}


@dataclass(slots=True)
class Registry:
    """The versions that are served, which a test changes as it likes."""

    models: dict[int, Any]

    def get(self, name: str, version: int | None = None) -> Any:
        if name != "digits":
            raise ModelNotFound(name, available=["digits"])
        if version not in self.models:
            raise VersionNotFound(name, version or 0, available=list(self.models))
        return self.models[version]

    def versions(self, name: str) -> list[int]:
        if name != "digits":
            raise ModelNotFound(name, available=["digits"])
        return list(self.models)

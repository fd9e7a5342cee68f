"""Versions of a classifier that answer the same question each in a way of its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from service.contract.golden import Tensors
from tests import artifacts

QUESTION: Tensors = {"sequence": np.array([[[0, 1, 0]]], np.float32)}


def publish(root: Path, name: str = "tiny", *, spoilt: bool = False) -> int:
    """A version more, which answers `QUESTION` with a probability that only it gives."""
    version = 1 + max((int(path.name) for path in (root / name).glob("[0-9]*")), default=0)
    plain = artifacts.classifier()
    scaled = dataclasses.replace(
        plain,
        nodes=[
            ("ReduceSum", ["sequence", "one"], ["sums"], {"keepdims": 0}),
            ("Mul", ["sums", "scale"], ["scaled"], {}),
            ("Softmax", ["scaled"], ["probabilities"], {"axis": 1}),
        ],
        constants={**plain.constants, "scale": np.array([version / 10], np.float32)},
    )
    artifacts.publish(root, name, scaled)
    if spoilt:
        (root / name / str(version) / "model.onnx").write_bytes(b"other")
    return version


def probability(version: int) -> float:
    """What this version answers."""
    return float(np.exp(version / 10) / (np.exp(version / 10) + 2))


def label(root: Path, labels: object, name: str = "tiny") -> None:
    """Write a model's labels."""
    (root / name / "labels.json").write_text(json.dumps(labels))

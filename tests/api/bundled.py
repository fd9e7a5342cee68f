"""Tiny artifacts with the names, columns and sizes of the bundled models, whose answers can be worked out by hand.

- `energy-load`, `share-price`: each quantile of every step is the last value of the series plus ten times its level.
- `next-word-en`: `tests.artifacts.next_word`.
- `digit-rows`: the label is 1 where the mean of the image is over 50, else 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from service.contract.golden import Tensors
from service.contract.manifest import ClassifyTask, ForecastTask, Manifest, TensorSpec
from tests import artifacts
from tests.artifacts import Tiny


def publish_all(root: Path) -> None:
    """Publish version 1 of every bundled model into `root`, and version 2 of `energy-load`."""
    models = {"share-price": share_price(), "next-word-en": next_word_en(), "digit-rows": digit_rows()}
    for name, tiny in [("energy-load", energy_load()), ("energy-load", energy_load()), *models.items()]:
        artifacts.publish(root, name, tiny)


def manifest_of(tiny: Tiny) -> Manifest:
    """What the artifact of `tiny` says of itself."""
    return artifacts.manifest(tiny, "tiny", 1)


def energy_load() -> Tiny:
    return _forecaster(
        ForecastTask(
            target="load",
            horizon=48,
            context=168,
            min_context=24,
            frequency="h",
            quantiles=(0.1, 0.5, 0.9),
            calendar=("hour_of_day", "day_of_week", "day_of_year"),
        )
    )


def share_price() -> Tiny:
    return _forecaster(
        ForecastTask(
            target="Close",
            horizon=5,
            context=30,
            min_context=20,
            frequency="B",
            quantiles=(0.1, 0.5, 0.9),
            past=("Open", "High", "Low", "Volume"),
            calendar=("day_of_week",),
        )
    )


def next_word_en() -> Tiny:
    return artifacts.next_word()


def digit_rows() -> Tiny:
    return Tiny(
        ClassifyTask(labels=tuple("0123456789"), features=28, length=28),
        (TensorSpec(name="sequence", datatype="FP32", shape=(-1, -1, 28)),),
        (TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10)),),
        [
            ("ReduceMean", ["sequence"], ["mean"], {"axes": [1, 2], "keepdims": 0}),  # (batch,)
            ("Reshape", ["mean", "column"], ["ink"], {}),  # (batch, 1)
            ("Sub", ["ink", "threshold"], ["over"], {}),
            ("Mul", ["over", "weights"], ["scores"], {}),  # (batch, labels)
            ("Softmax", ["scores"], ["probabilities"], {"axis": 1}),
        ],
        {
            "column": np.array([-1, 1], np.int64),
            "threshold": np.array([50], np.float32),
            "weights": np.array([[-1, 1, *[0] * 8]], np.float32),
        },
        [{"sequence": np.full((1, 28, 28), 40, np.float32)}],
    )


def _forecaster(task: ForecastTask) -> Tiny:
    inputs = [TensorSpec(name="target", datatype="FP32", shape=(-1, -1))]
    question: Tensors = {"target": np.ones((1, task.context), np.float32)}
    if task.past:
        inputs.append(TensorSpec(name="past", datatype="FP32", shape=(-1, -1, len(task.past))))
        question["past"] = np.ones((1, task.context, len(task.past)), np.float32)
    inputs.append(TensorSpec(name="future", datatype="FP32", shape=(-1, -1, len(task.known))))
    question["future"] = np.zeros((1, task.context + task.horizon, len(task.known)), np.float32)
    levels = np.array(task.quantiles, np.float32) * 10
    return Tiny(
        task,
        tuple(inputs),
        (TensorSpec(name="quantiles", datatype="FP32", shape=(-1, task.horizon, len(levels))),),
        [
            ("Gather", ["target", "newest"], ["last"], {"axis": 1}),  # (batch, 1)
            ("Unsqueeze", ["last", "two"], ["cube"], {}),  # (batch, 1, 1)
            ("Add", ["cube", "levels"], ["quantiles"], {}),
        ],
        {"newest": np.array([-1], np.int64), "two": np.array([2], np.int64), "levels": np.tile(levels, (1, task.horizon, 1))},
        [question],
    )

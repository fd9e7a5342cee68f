"""Carousel's part: trained by `carousel-train`, asked through the published graph as the service asks it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forecasting.datasets import Dataset, Questions
from benchmarks.published import open_session, recipe_text
from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask, Manifest, parse_manifest
from service.tasks.dialogue import converse
from service.tasks.forecast import History, encode, forecast

RECIPE: Mapping[str, Any] = {
    "hidden": 256,
    "batch": 256,
    "windows": 20_480,
    "epochs": 30,
    "learning_rate": 0.002,
    "dropout": 0.2,
    "ema": 0.995,
    "patience": 0,
    "quantiles": [0.025, 0.1, 0.5, 0.9, 0.975],
}
"""The same for every data set."""
ROWS = 64
"""Series asked at once."""
TIMED = 300


@dataclass(frozen=True, slots=True)
class Model:
    """A published forecaster."""

    manifest: Manifest
    session: Any  # onnxruntime ships no types
    minutes: float
    file_mb: float

    @property
    def task(self) -> ForecastTask:
        """What it forecasts."""
        task = self.manifest.task
        assert isinstance(task, ForecastTask)  # noqa: S101 - this benchmark trains no other
        return task

    def run(self, inputs: Tensors) -> Tensors:
        """Outputs of the graph."""
        names = [spec.name for spec in self.manifest.outputs]
        return dict(zip(names, self.session.run(names, inputs), strict=True))


def train(dataset: Dataset, folder: Path, *, settings: Mapping[str, Any]) -> Model:
    """Train on the data set with the recipe and `settings` of this run.

    Raises:
        subprocess.CalledProcessError: `carousel-train` has failed.
    """
    folder.mkdir(parents=True)
    dataset.table.to_parquet(folder / "data.parquet")
    values = {
        **RECIPE,
        **dataset.settings,
        **settings,
        "task": "forecast",
        "name": dataset.name,
        "data": "data.parquet",
        "time": "time",
        "target": "value",
        "frequency": "h",
        "horizon": dataset.questions.horizon,
        "allow_worse_than_naive": True,
        "int8": False,
    }
    (folder / "recipe.toml").write_text(recipe_text(values), encoding="utf-8")
    began = time.monotonic()
    command = [sys.executable, "-m", "training", "recipe", str(folder / "recipe.toml"), "--models", str(folder / "models")]
    subprocess.run([*command, "--runs", str(folder / "runs")], check=True)
    artifact = folder / "models" / dataset.name / "1"
    return Model(
        manifest=parse_manifest((artifact / "manifest.json").read_bytes()),
        session=open_session(artifact / "model.onnx"),
        minutes=(time.monotonic() - began) / 60,
        file_mb=(artifact / "model.onnx").stat().st_size / 1e6,
    )


def ask(model: Model, questions: Questions) -> NDArray[np.float32]:
    """Quantiles (rows, horizon, levels) of every question."""
    histories = _histories(model, questions)
    answers = []
    for begin in range(0, len(histories), ROWS):
        answers += converse(forecast(model.task, histories[begin : begin + ROWS]), model.run)
    return np.stack([np.stack(list(answer.quantiles.values()), axis=-1) for answer in answers])


def milliseconds(model: Model, questions: Questions) -> float:
    """Median time of the graph on one question and one core."""
    inputs = encode(model.task, _histories(model, questions)[:1], horizon=questions.horizon)
    found = []
    for _ in range(TIMED):
        began = time.perf_counter()
        model.run(inputs)
        found.append(time.perf_counter() - began)
    return float(np.median(found)) * 1000


def windows_per_second(model: Model) -> float:
    """Training windows a second of the fit, validation included."""
    training = model.manifest.training
    return training.epochs * training.config["windows"] / training.seconds


def _histories(model: Model, questions: Questions) -> list[History]:
    context = min(model.task.context, questions.history.shape[1])
    starts = questions.last - np.timedelta64(context - 1, "h")
    return [
        History(values=row[-context:], start=start.astype("datetime64[s]")) for row, start in zip(questions.history, starts, strict=True)
    ]

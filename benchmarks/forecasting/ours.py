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
from service.contract.manifest import ForecastTask, Manifest
from service.contract.repository import ONNX, load_artifact, versions
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

    @property
    def minutes(self) -> float:
        """Time of the fit, validation included."""
        return self.manifest.training.seconds / 60

    @property
    def windows_per_second(self) -> float:
        """Training windows a second of the fit, validation included."""
        training = self.manifest.training
        return training.epochs * training.config["windows"] / training.seconds

    @property
    def file_mb(self) -> float:
        """Size of the graph."""
        return self.manifest.files[ONNX].bytes / 1e6

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


def trained(dataset: Dataset, folder: Path, *, settings: Mapping[str, Any]) -> Model:
    """The model that lies in `folder`, or else one that is trained there with the recipe and `settings` of this run.

    Raises:
        ValueError: what lies there is of another recipe.
        subprocess.CalledProcessError: `carousel-train` has failed.
    """
    file, text = folder / "recipe.toml", recipe(dataset, settings)
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        dataset.table.to_parquet(folder / "data.parquet")
        file.write_text(text, encoding="utf-8")
    elif file.read_text(encoding="utf-8") != text:
        raise ValueError(f"{file} is not the recipe of this run: name another --keep, or remove {folder}")
    models = folder / "models"
    if not versions(models, dataset.name):
        _train(file, models, folder / "runs")
    artifact = load_artifact(versions(models, dataset.name)[-1], root=models)
    return Model(artifact.manifest, open_session(artifact.file(ONNX)))


def recipe(dataset: Dataset, settings: Mapping[str, Any]) -> str:
    """What `carousel-train recipe` is given: `RECIPE`, what the data set needs, and `settings`."""
    return recipe_text(
        {
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


def _train(file: Path, models: Path, runs: Path) -> None:
    """Run a recipe's file, from its last checkpoint where there is one."""
    resume = ["--resume"] if any(runs.rglob("*.pt")) else []
    command = [sys.executable, "-m", "training", "recipe", str(file), "--models", str(models), "--runs", str(runs), *resume]
    subprocess.run(command, check=True)


def _histories(model: Model, questions: Questions) -> list[History]:
    context = min(model.task.context, questions.history.shape[1])
    starts = questions.last - np.timedelta64(context - 1, "h")
    return [
        History(values=row[-context:], start=start.astype("datetime64[s]")) for row, start in zip(questions.history, starts, strict=True)
    ]

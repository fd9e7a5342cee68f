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

from benchmarks.next_word.datasets import Dataset
from benchmarks.published import open_session, recipe_text
from service.contract.golden import Tensors
from service.contract.manifest import Manifest
from service.contract.repository import ONNX, ONNX_INT8, Artifact, load_artifact, versions
from service.tasks.dialogue import converse
from service.tasks.language import Language, load_language
from service.tasks.memory import LruMemory, MemoryPool
from service.tasks.next_word import Choice, suggest

SHOWN = 3
MEMORY_BYTES = 64_000_000
TIMED = 1000


@dataclass(frozen=True, slots=True)
class Model:
    """A published next-word model and its graphs, each on one thread; `int8` None where none was published."""

    artifact: Artifact
    language: Language
    fp32: Any  # onnxruntime ships no types
    int8: Any

    @property
    def manifest(self) -> Manifest:
        """What the artifact says of itself."""
        return self.artifact.manifest

    @property
    def minutes(self) -> float:
        """Time of the fit, validation included."""
        return self.manifest.training.seconds / 60

    def megabytes(self, name: str) -> float:
        """Size of a file of the artifact."""
        return self.manifest.files[name].bytes / 1e6

    def suggest(self, text: str, *, pointer: bool = True) -> list[str]:
        """Words for a text under the cursor, as the service suggests them."""
        found = converse(suggest(self.language, text, Choice(top_k=SHOWN, pointer=pointer)), lambda inputs: _run(self.fp32, inputs))
        return [one.word for one in found]


def trained(dataset: Dataset, folder: Path, *, settings: Mapping[str, Any]) -> Model:
    """The newest model of this name in `folder`/models, or else one that is trained there with `settings` besides those of its recipe.

    Raises:
        subprocess.CalledProcessError: `carousel-train` has failed.
    """
    name, models = dataset.recipe["name"], folder / "models"
    if not versions(models, name):
        folder.mkdir(parents=True, exist_ok=True)
        _train(dataset, folder, {**dataset.recipe, **settings})
    artifact = load_artifact(versions(models, name)[-1], root=models)
    language = load_language(artifact, LruMemory(MemoryPool(MEMORY_BYTES)))
    assert language is not None  # noqa: S101 - it is a next-word model
    int8 = open_session(artifact.file(ONNX_INT8)) if ONNX_INT8 in artifact.manifest.files else None
    return Model(artifact, language, open_session(artifact.file(ONNX)), int8)


def step_us(model: Model) -> dict[str, float]:
    """Precision -> median microseconds of one token read on from a state, on one thread, taken in turns."""
    zero = {spec.name: np.zeros((1, *spec.shape[1:]), np.float32) for spec in model.manifest.inputs if spec.name in model.manifest.state}
    inputs = {"tokens": np.array([[model.language.tokenizer.end_id]]), **zero}
    sessions = {"fp32": model.fp32, "int8": model.int8}
    times: dict[str, list[float]] = {name: [] for name, session in sessions.items() if session is not None}
    for _ in range(TIMED):
        for name, found in times.items():
            began = time.perf_counter()
            _run(sessions[name], inputs)
            found.append(time.perf_counter() - began)
    return {name: float(np.median(found)) * 1e6 for name, found in times.items()}


def _train(dataset: Dataset, folder: Path, settings: Mapping[str, Any]) -> None:
    files = {"data": dataset.train, "validation_data": dataset.validation, "test_data": dataset.test}
    values = {**settings, **{name: str(path.resolve()) for name, path in files.items()}}
    recipe = folder / f"{settings['name']}.toml"
    recipe.write_text(recipe_text(values), encoding="utf-8")
    command = [sys.executable, "-m", "training", "recipe", str(recipe), "--models", str(folder / "models")]
    subprocess.run([*command, "--runs", str(folder / "runs")], check=True)


def _run(session: Any, inputs: Tensors) -> Tensors:  # noqa: ANN401 - onnxruntime ships no types
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))

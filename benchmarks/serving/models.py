"""The two models that every server runs, with random weights (speed does not ask what a model learned), published as artifacts.

    python -m benchmarks.serving.models FOLDER

- `bench-forecast`: an LSTM of two layers, 5 inputs -> 64, over 48 steps -> 24 values.
- `bench-next-word`: 10,000 words, vectors of 256, an LSTM of 256 -> the best 5.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.serving.questions import CONTEXT, COVARIATES, HORIZON, VOCABULARY, word
from service.contract.calendar import Frequency
from service.contract.manifest import Data
from training.config import ForecastConfig, NextWordConfig, RunConfig
from training.data.series import Series, SeriesTable
from training.data.text import read_text
from training.export import export, onnx_run
from training.learners.forecast import ForecastLearner
from training.learners.next_word import NextWordLearner
from training.loop import Epoch
from training.publish import AnyLearner, Trained, publish_trained


def publish_models(root: Path, scratch: Path) -> None:
    """Publish both into `root`."""
    torch.manual_seed(0)
    forecaster, next_word = _forecaster(root), _next_word(root, scratch)
    for weights in forecaster.network.parameters():
        torch.nn.init.normal_(weights, std=0.2)  # it begins as the mean of the history: every forecast would be alike
    _publish(forecaster.config, forecaster, scratch / "forecaster")
    _publish(next_word.config, next_word, scratch / "next-word")


def _forecaster(root: Path) -> ForecastLearner:
    config = ForecastConfig(
        name="bench-forecast",
        data="generated",
        models=root,
        time="time",
        target="value",
        past=COVARIATES,
        horizon=HORIZON,
        context=CONTEXT,
        quantiles=(0.5,),
        hidden=64,
        layers=2,
        base="none",
        head="linear",
        calendar=False,
    )
    generator = np.random.default_rng(0)
    values = generator.normal(100, 10, (2000, 1 + len(COVARIATES))).astype(np.float32)
    series = Series(None, np.datetime64("2026-01-01", "s"), values[:, 0], values[:, 1:], values[:, :0])
    table = SeriesTable((series,), Frequency.parse("h"), (), _data(len(values)), ())
    return ForecastLearner(config, table, context=CONTEXT)


def publish_next_word(root: Path, scratch: Path, *, name: str, hidden: int) -> None:
    """Publish a next-word model of another width into `root`, without a pointer."""
    learner = _next_word(root, scratch, name=name, hidden=hidden)
    _publish(learner.config, learner, scratch / name)


def _next_word(root: Path, scratch: Path, *, name: str = "bench-next-word", hidden: int = 256) -> NextWordLearner:
    text = scratch / "words.txt"
    text.write_text("\n".join(" ".join(word(number + step) for step in range(16)) for number in range(0, VOCABULARY, 16)), encoding="utf-8")
    config = NextWordConfig(
        name=name,
        data=str(text),
        models=root,
        vocabulary=VOCABULARY,
        embedding=256,
        hidden=hidden,
        top_k=5,
        validation=0,
        test=0,
        pointer=False,
    )
    return NextWordLearner(config, read_text(config, echo=lambda _line: None))


def _publish(config: RunConfig, learner: AnyLearner, folder: Path) -> None:
    folder.mkdir()
    learner.network.eval()
    parity = export(learner.graph(), folder, trials=learner.trials(), goldens=learner.goldens())
    scores = learner.score(onnx_run(folder / "model.onnx"))
    publish_trained(Trained(config, learner, [Epoch(1, 0.0, 0.0, 0.0)], parity, scores, "cpu", folder), runs=1)


def _data(rows: int) -> Data:
    return Data(source="generated", sha256="0" * 64, rows=rows, description="random numbers, for measuring speed")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch_folder:
        publish_models(Path(sys.argv[1]), Path(scratch_folder))

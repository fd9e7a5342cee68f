"""Other people's forecasters, each in an environment of its own under benchmarks/.peers, and the two naive ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from benchmarks.forecasting.datasets import SEASON, Dataset, Questions
from benchmarks.forecasting.figures import Forecasts
from benchmarks.serving.environments import python
from training.baselines import last_value, seasonal_naive

PEERS = Path(__file__).with_name("peers")
STATISTICAL = ("AutoTheta", "AutoETS")


def naive(questions: Questions) -> dict[str, Forecasts]:
    """The last value, and the day before."""
    return {
        "naive": Forecasts(last_value(questions.history, questions.horizon)),
        "seasonal naive": Forecasts(seasonal_naive(questions.history, SEASON, questions.horizon)),
    }


def statistical(model: str, dataset: Dataset, folder: Path) -> Forecasts:
    """A model of statsforecast, fitted to each history.

    Raises:
        NotInstalledError: pip has failed.
        subprocess.CalledProcessError: it has failed.
    """
    found = _run("statsforecast", (model,), dataset, folder)
    return Forecasts(found["point"], found["intervals"])


def neural(dataset: Dataset, folder: Path, *, minutes: float) -> tuple[Forecasts, float]:
    """neuralforecast's LSTM after so many minutes, and its training windows a second; raises what `statistical` raises."""
    data = folder / "neural.parquet"
    dataset.table.to_parquet(data)
    found = _run("neuralforecast", (f"{minutes:g}", str(data)), dataset, folder)
    return Forecasts(found["point"], found["intervals"]), float(found["windows_per_second"])


def _run(environment: str, arguments: tuple[str, ...], dataset: Dataset, folder: Path) -> dict[str, np.ndarray]:
    source, target = folder / "questions.npz", folder / f"{environment}.npz"
    asked = dataset.questions
    np.savez(source, history=asked.history, last=asked.last, horizon=asked.horizon)
    command = [str(python(environment, peers=PEERS)), str(PEERS / environment / "forecast.py"), *arguments, str(source), str(target)]
    subprocess.run(command, check=True)
    with np.load(target) as found:
        return dict(found)

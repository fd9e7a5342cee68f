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


def naive(questions: Questions) -> dict[str, Forecasts]:
    """The last value, and the day before."""
    return {
        "naive": Forecasts(last_value(questions.history, questions.horizon)),
        "seasonal naive": Forecasts(seasonal_naive(questions.history, SEASON, questions.horizon)),
    }


def statistical(model: str, dataset: Dataset, folder: Path) -> Forecasts:
    """A model of statsforecast, `AutoTheta` or `AutoETS`, fitted to each history.

    Raises:
        NotInstalledError: pip has failed.
        subprocess.CalledProcessError: it has failed.
    """
    source, target = folder / "questions.npz", folder / "answers.npz"
    np.savez(source, history=dataset.questions.history, horizon=dataset.questions.horizon)
    script = PEERS / "statsforecast" / "forecast.py"
    subprocess.run([str(python("statsforecast", peers=PEERS)), str(script), model, str(source), str(target)], check=True)
    with np.load(target) as found:
        return Forecasts(found["point"], found["intervals"])

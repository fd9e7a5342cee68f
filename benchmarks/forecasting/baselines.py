"""Other people's forecasters, each in an environment of its own under benchmarks/.peers, and the two naive ones."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.forecasting.datasets import SEASON, Dataset, Questions
from benchmarks.forecasting.figures import Forecasts
from benchmarks.serving.environments import python
from training.baselines import last_value, seasonal_naive

PEERS = Path(__file__).with_name("peers")
NAMES = {"AutoTheta": "AutoTheta", "AutoETS": "AutoETS", "neuralforecast": "LSTM of neuralforecast"}
"""What a peer is called on the command line, and in the table."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a peer forecasts, how long it took to fit, and how many windows a second it learned from, where it learns from windows."""

    forecasts: Forecasts
    minutes: float
    windows_per_second: float | None = None


def naive(questions: Questions) -> dict[str, Forecasts]:
    """The last value, and the day before."""
    return {
        "naive": Forecasts(last_value(questions.history, questions.horizon)),
        "seasonal naive": Forecasts(seasonal_naive(questions.history, SEASON, questions.horizon)),
    }


def answers(peer: str, dataset: Dataset, folder: Path, *, minutes: float) -> Answers:
    """What one of `NAMES` forecasts; forecasts that `folder` holds are taken from there.

    AutoTheta and AutoETS are fitted to each history, the LSTM of neuralforecast to all that may be learned from, for so many minutes.

    Raises:
        NotInstalledError: pip has failed.
        subprocess.CalledProcessError: it has failed.
    """
    target = folder / f"{peer}.npz"
    if not target.exists():
        asked = {"history": dataset.questions.history, "horizon": dataset.questions.horizon}
        if peer == "neuralforecast":
            ask("neuralforecast", "{}", {**asked, "known": dataset.known, "minutes": minutes}, target=target)
        else:
            ask("statsforecast", peer, asked, target=target)
    with np.load(target) as found:
        speed = found.get("windows_per_second")
        return Answers(
            Forecasts(found["point"], found.get("intervals")),
            minutes=float(found["seconds"]) / 60,
            windows_per_second=None if speed is None else float(speed),
        )


def ask(environment: str, model: str, asked: Mapping[str, ArrayLike], *, target: Path) -> None:
    """Have an environment's script write what its `model` answers to `target`, which is there only when it is whole.

    Raises:
        NotInstalledError: pip has failed.
        subprocess.CalledProcessError: it has failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    source, unfinished = target.with_name("questions.npz"), target.with_suffix(".partial.npz")
    np.savez(source, **asked)
    script = PEERS / environment / "forecast.py"
    subprocess.run([str(python(environment, peers=PEERS)), str(script), model, str(source), str(unfinished)], check=True)
    unfinished.replace(target)

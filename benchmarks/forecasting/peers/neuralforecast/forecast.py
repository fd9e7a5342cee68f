"""The LSTM of neuralforecast: python forecast.py SETTINGS QUESTIONS.npz ANSWERS.npz.

SETTINGS, in JSON, are those that are not to be its defaults. QUESTIONS has what may be learned from as `known` (series, time), the
`minutes` to learn for, and the `history` (rows, time) to go on from for `horizon` steps, each padded on the left with NaN.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM
from numpy.typing import NDArray
from pytorch_lightning import Callback

MOST_STEPS = 10**9
"""The minutes end the training."""
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}


class Steps(Callback):
    """When each step of the training ended."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def on_train_batch_end(self, *_: object) -> None:
        """Note the time."""
        self.ended.append(time.monotonic())


def main() -> None:
    """Train, forecast, and tell how fast the training was."""
    settings, source, target = sys.argv[1:]
    asked = np.load(source)
    horizon, budget = int(asked["horizon"]), timedelta(minutes=float(asked["minutes"]))
    model = LSTM(h=horizon, **json.loads(settings), max_steps=MOST_STEPS, max_time=budget, callbacks=[Steps()], **QUIET)
    forecaster = NeuralForecast(models=[model], freq=1)
    began = time.monotonic()
    forecaster.fit(_panel(asked["known"]))
    seconds = time.monotonic() - began
    ended = forecaster.models[0].trainer_kwargs["callbacks"][0].ended  # what is trained is a copy
    windows = (len(ended) - 1) * model.windows_batch_size  # those of the first step are left out, with what comes before it
    found = forecaster.predict(_panel(asked["history"]))
    np.savez(
        target,
        point=found["LSTM"].to_numpy(np.float32).reshape(-1, horizon),
        seconds=seconds,
        windows_per_second=windows / (ended[-1] - ended[0]),
    )


def _panel(values: NDArray[np.float32]) -> pd.DataFrame:
    """Rows as the series 0, 1, ... of one table; missing values within them are drawn in straight lines."""
    panel = pd.DataFrame(values.T).interpolate().melt(var_name="unique_id", value_name="y", ignore_index=False)
    return panel.rename_axis("ds").reset_index().dropna()


if __name__ == "__main__":
    main()

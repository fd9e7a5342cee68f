"""The LSTM of neuralforecast with its defaults, for so many minutes: python forecast.py MINUTES DATA.parquet QUESTIONS.npz ANSWERS.npz.

Its own tables are made of the histories of the questions, and what it is asked for is what follows them; `windows_per_second` counts the
windows of its training steps.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import LSTM


def main() -> None:
    """Train and forecast."""
    minutes, data, source, target = sys.argv[1:]
    questions = np.load(source)
    horizon = int(questions["horizon"])
    table = pd.read_parquet(data)
    table = table.assign(unique_id=table.get("series", "one")).rename(columns={"time": "ds", "value": "y"})[["unique_id", "ds", "y"]]
    model = LSTM(
        h=horizon,
        input_size=336,
        loss=MQLoss(level=[80, 95]),
        max_steps=1_000_000,
        random_seed=1,
        max_time={"seconds": float(minutes) * 60},
        accelerator="cpu",
        enable_progress_bar=False,
        logger=False,
    )
    forecaster = NeuralForecast(models=[model], freq="h")
    began = time.monotonic()
    forecaster.fit(table.dropna())
    seconds = time.monotonic() - began
    steps = forecaster.models[0].trainer_kwargs and forecaster.models[0].global_step
    asked = [
        _asked(number, history, last) for number, (history, last) in enumerate(zip(questions["history"], questions["last"], strict=True))
    ]
    found = forecaster.predict(pd.concat(asked)).sort_values(["unique_id", "ds"])
    shape = (len(asked), horizon)
    columns = [found[f"LSTM-{name}"].to_numpy().reshape(shape) for name in ("lo-80", "hi-80", "lo-95", "hi-95")]
    np.savez(
        target,
        point=found["LSTM-median"].to_numpy().reshape(shape),
        intervals=np.stack(columns, axis=-1),
        windows_per_second=steps * model.windows_batch_size / seconds,
    )


def _asked(number: int, history: np.ndarray, last: np.datetime64) -> pd.DataFrame:
    known = pd.Series(history).dropna().to_numpy() if np.isnan(history[0]) else pd.Series(history).ffill().bfill().to_numpy()
    times = pd.date_range(end=last, periods=len(known), freq="h")
    return pd.DataFrame({"unique_id": f"{number:06d}", "ds": times, "y": known})


if __name__ == "__main__":
    main()

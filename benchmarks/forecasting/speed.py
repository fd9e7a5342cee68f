"""How fast a forecaster is trained beside neuralforecast's LSTM of the same size, in turns.

    python -m benchmarks.forecasting.speed --data FOLDER [--turns 3] [--minutes 1]

Both learn from M4 Hourly, 48 hours ahead of two weeks, with one layer of 256 and 256 windows a step, on the same threads.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.forecasting import baselines, datasets, ours
from benchmarks.results import table, write_section

EPOCHS = 3


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description="Measure the training speed of forecasters.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=1, help="minutes of the peer's training in a turn")
    options = parser.parse_args()
    dataset = datasets.read("m4-hourly", options.data)
    with tempfile.TemporaryDirectory() as scratch:
        turns = [_turn(dataset, Path(scratch, str(turn)), minutes=options.minutes) for turn in range(options.turns)]
    body = _told(turns)
    command = f"python -m benchmarks.forecasting.speed --turns {options.turns} --minutes {options.minutes:g}"
    write_section("Training speed of forecasters", command=command, body=body)
    print(body)


def _turn(dataset: datasets.Dataset, folder: Path, *, minutes: float) -> tuple[float, float]:
    """Windows a second of both."""
    model = ours.trained(dataset, folder, settings={"cell": "lstm", "seed": 0, "members": 1, "epochs": EPOCHS})
    same_size = {
        "encoder_hidden_size": model.manifest.network.hidden,
        "encoder_n_layers": model.manifest.network.layers,
        "input_size": model.task.context,
        "windows_batch_size": ours.RECIPE["batch"],
    }
    questions = dataset.questions
    asked = {"known": dataset.known, "minutes": minutes, "history": questions.history, "horizon": questions.horizon}
    baselines.ask("neuralforecast", json.dumps(same_size), asked, target=folder / "neuralforecast.npz")
    with np.load(folder / "neuralforecast.npz") as found:
        return model.windows_per_second, float(found["windows_per_second"])


def _told(turns: Sequence[tuple[float, float]]) -> str:
    rows = [(number, f"{own:,.0f}", f"{peers:,.0f}", f"{own / peers:.1f}") for number, (own, peers) in enumerate(turns, start=1)]
    remark = (
        f"{torch.get_num_threads()} threads; {EPOCHS} epochs of Carousel's, their validation included, and the peer's steps without any."
        " A window is two weeks and the 48 hours after them; Carousel's network reads a day of it at a time and gives five quantiles,"
        " the peer's reads hour by hour and gives the median."
    )
    return f"{table(('turn', 'Carousel, windows/s', 'neuralforecast, windows/s', 'Carousel is faster by'), rows)}\n\n{remark}"


if __name__ == "__main__":
    main()

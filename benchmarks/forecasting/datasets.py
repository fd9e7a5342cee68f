"""The data sets: what is learned from, and the questions asked of it afterwards, about values that no model has seen.

- `m4-hourly`: the 414 hourly series of the M4 competition, 48 hours ahead of their training part (github.com/Mcompetitions/M4-methods,
  `Hourly-train.csv` and `Hourly-test.csv`, gzipped).
- `etth1-24`, `etth1-96`: oil temperature of a transformer, ETTh1 (github.com/zhouhaoyi/ETDataset), its last fifth every 24 hours.
- `aep`: hourly load of American Electric Power (PJM), its last fifth once a week, with the calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SEASON = 24
HELD_OUT = 0.2
LONGEST_HISTORY = 1344
"""Hours that the statistical models are fitted to where one series goes on for years: eight weeks."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Rows to forecast: history (rows, time) padded on the left with NaN, times of its last value (rows,), what came (rows, horizon)."""

    history: NDArray[np.float32]
    last: NDArray[np.datetime64]
    actual: NDArray[np.float32]

    @property
    def horizon(self) -> int:
        """Steps ahead."""
        return self.actual.shape[1]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table to learn from, the settings that it needs and no other set does, and the questions.

    `known` (series, time), padded on the left with NaN, is what may be learned from: the table without the part that the settings hold out.
    """

    name: str
    table: pd.DataFrame
    settings: Mapping[str, Any]
    questions: Questions
    known: NDArray[np.float32]
    published: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


def read(name: str, folder: Path) -> Dataset:
    """A data set from the public files in `folder`.

    Raises:
        FileNotFoundError: they are not there.
        ValueError: no such data set.
    """
    match name:
        case "m4-hourly":
            return _m4_hourly(folder / "m4_hourly")
        case "etth1-24" | "etth1-96":
            table = pd.read_csv(folder / "etth1" / "ETTh1.csv.gz", usecols=["date", "OT"]).rename(columns={"date": "time", "OT": "value"})
            return _one_series(name, table, horizon=int(name.rpartition("-")[2]), every=24)
        case "aep":
            table = pd.read_csv(folder / "aep_hourly" / "AEP_hourly.csv.gz").set_axis(["time", "value"], axis=1)
            return _one_series(name, table, horizon=24, every=168)
        case _:
            raise ValueError(f"no data set {name!r}: m4-hourly, etth1-24, etth1-96 or aep")


def _m4_hourly(folder: Path) -> Dataset:
    train, test = (pd.read_csv(folder / f"Hourly-{part}.csv.gz").set_index("V1") for part in ("train", "test"))
    values = train.to_numpy(np.float32)  # (series, 960), NaN after the end of each
    lengths = (~np.isnan(values)).sum(axis=1)
    start = np.datetime64("2015-07-01T00", "h")  # the competition kept the times to itself
    table = pd.DataFrame(
        {
            "series": np.repeat(train.index.to_numpy(), lengths),
            "time": np.concatenate([start + np.arange(length) for length in lengths]),
            "value": np.concatenate([row[:length] for row, length in zip(values, lengths, strict=True)]),
        }
    )
    history = np.stack([np.roll(row, -length) for row, length in zip(values, lengths, strict=True)])
    questions = Questions(history, start + lengths - 1, test.to_numpy(np.float32))
    published = {
        "ES-RNN, the M4 winner": (9.328, 0.893, 0.440),
        "best M4 entry of this class": (8.913, 0.801, 0.410),
        "AutoARIMA": (13.7, 1.03, 0.59),
        "Chronos-Bolt-small": (np.nan, np.nan, 0.41),
        "Chronos-2": (np.nan, np.nan, 0.39),
    }
    settings = {"series": "series", "calendar": False, "validation": 0.05, "test": 0.0}
    return Dataset("m4-hourly", table, settings, questions, history, published)


def _one_series(name: str, table: pd.DataFrame, *, horizon: int, every: int) -> Dataset:
    table["time"] = pd.to_datetime(table["time"])
    hourly = table.groupby("time")["value"].mean().sort_index().asfreq("h")  # a doubled hour is averaged, a missing one stays missing
    values, times = hourly.to_numpy(np.float32), hourly.index.to_numpy()
    first = len(values) - round(len(values) * HELD_OUT)
    origins = np.arange(first, len(values) - horizon + 1, every)
    questions = Questions(
        history=np.stack([values[origin - LONGEST_HISTORY : origin] for origin in origins]),
        last=times[origins - 1],
        actual=np.stack([values[origin : origin + horizon] for origin in origins]),
    )
    return Dataset(name, hourly.reset_index(), {"validation": 0.1, "test": HELD_OUT}, questions, values[None, :first])

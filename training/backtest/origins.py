"""Rolling origins: the last windows of each series, one horizon apart, and how much of them the model has met in training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ForecastTask, Manifest
from training.config import ForecastConfig
from training.data.files import DataError
from training.data.series import SeriesTable, parts, read_series
from training.data.windows import WindowBatch, Windows
from training.learners.base import chunks

Values = NDArray[np.float32]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """Shares of the forecast steps that the model learned from, and that its run chose the best epoch and calibrated on.

    `unseen_windows` of each series, counted from its end, hold neither.
    """

    learned: float
    chosen: float
    unseen_windows: int


@dataclass(frozen=True, slots=True)
class Rolling:
    """Windows to forecast, those of a series one after the other; `series` and `origin` (windows,) are its number and first forecast step.

    `absent` windows were asked for and are not there: too little history, or nothing observed in the horizon. `seen` is none where the
    file is not the one that the model was trained on.
    """

    table: SeriesTable
    windows: Windows
    positions: Positions
    series: Positions
    origin: Positions
    absent: int
    seen: Seen | None

    def batches(self) -> Iterator[WindowBatch]:
        """The windows, in order, as the graph takes them."""
        return (self.windows.batch(piece) for piece in chunks(self.positions))

    def history(self, window: int) -> Values:
        """All that was known before a window, (time,)."""
        known: Values = self.table.series[self.series[window]].target[: self.origin[window]]
        return known

    def actual(self) -> Values:
        """What came true, (windows, horizon)."""
        return np.concatenate([batch.actual for batch in self.batches()])


def rolling_origins(manifest: Manifest, config: ForecastConfig, *, count: int, echo: Callable[[str], None]) -> Rolling:
    """The last `count` windows of each series of the data of `config`, that which `manifest` records; what was repaired is echoed.

    Raises:
        DataError: rows that cannot be used, or no window.
    """
    task = manifest.task
    assert isinstance(task, ForecastTask)  # noqa: S101 - tells mypy; the caller has looked
    whole = {"frequency": task.frequency, "context": task.context, "validation": 0.0, "test": 0.0}
    table = read_series(config.model_copy(update=whole), echo=echo).recoded(task.static)
    table = replace(table, calendar=task.calendar, holidays=task.holidays)
    windows = Windows(table, "train", context=task.context, horizon=task.horizon, min_context=task.min_context, validation=0.0, test=0.0)
    series, origin = windows.index.T
    from_end = np.array([len(one.target) for one in table.series])[series] - origin
    positions = np.flatnonzero((from_end % task.horizon == 0) & (from_end <= count * task.horizon))
    if not len(positions):
        raise DataError(
            f"{table.data.source}: no history of {task.min_context} observed values before the last {task.horizon} steps: give more rows"
        )
    series, origin = series[positions], origin[positions]
    same = table.data.sha256 == manifest.data.sha256
    seen = _seen(task, config, table, series, origin) if same else None
    return Rolling(table, windows, positions, series, origin, count * len(table.series) - len(positions), seen)


def _seen(task: ForecastTask, config: ForecastConfig, table: SeriesTable, series: Positions, origin: Positions) -> Seen:
    """Of the file that it was trained on, by the shares that it was cut in."""
    lengths = [len(one.target) for one in table.series]
    ends = [parts(length, horizon=task.horizon, validation=config.validation, test=config.test) for length in lengths]
    too_short = np.array([end.train_end < task.min_context + task.horizon for end in ends])  # left out of training
    train_end = np.where(too_short, 0, [end.train_end for end in ends])
    validation_end = np.where(too_short, 0, [end.validation_end for end in ends])
    learned = np.clip(train_end[series] - origin, 0, task.horizon)
    met = np.clip(validation_end[series] - origin, 0, task.horizon)
    steps = len(origin) * task.horizon
    unseen = int(((np.array(lengths) - validation_end) // task.horizon).min())
    return Seen(learned=float(learned.sum() / steps), chosen=float((met - learned).sum() / steps), unseen_windows=unseen)

"""Forecasting many series at once: a panel -> the graph's inputs, the same numbers as `encode` gives for each history alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import Times
from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.contract.static_column import UNKNOWN
from service.tasks.panel import Column, Laid, Panel, Refused, Steps, laid

Windows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Graph inputs of the series `kept`, positions in the panel, in their order; `ahead` (kept, horizon) are the times of their steps."""

    inputs: Tensors
    kept: Steps
    ahead: Times
    refused: Refused


def encode_panel(task: ForecastTask, panel: Panel, *, horizon: int) -> Encoded:
    """Graph inputs of every series that can be forecast, and why the others cannot."""
    found = laid(task, panel, horizon=horizon)
    static = _codes(task, found)
    kept = np.array([series for series in range(len(panel)) if series not in found.refused], np.int64)
    if not kept.size:
        return Encoded({}, kept, np.empty((0, horizon), "datetime64[s]"), found.refused)
    rows = _rows(task, found, kept, horizon=horizon)
    target = _window(found.panel.values, rows[:, : task.context])
    long_enough = _observed(task, target, kept, found.refused)
    if not long_enough.all():
        kept, rows, target = kept[long_enough], rows[long_enough], target[long_enough]
    inputs: Tensors = {"target": target}
    known, ahead = _calendar(task, found, kept)
    if task.past:
        inputs["past"] = np.stack([_window(found.panel.past[name], rows[:, : task.context]) for name in task.past], axis=-1)
    if task.known:
        sent = [_window(found.panel.future[name], rows)[..., np.newaxis] for name in task.future]
        inputs["future"] = np.concatenate([*sent, known], axis=-1) if sent else known
    if task.static:
        inputs["static"] = static[kept]
    return Encoded(inputs, kept, ahead[:, :horizon], found.refused)


def _codes(task: ForecastTask, laid: Laid) -> Steps:
    """Codes (series, static columns) of the categories of each series; one with two categories is refused."""
    panel = laid.panel
    found = np.zeros((len(panel), len(task.static)), np.int64)
    for place, column in enumerate(task.static):
        codes = panel.static[column.name]
        found[:, place] = np.maximum.reduceat(codes, panel.bounds[:-1])
        for row in np.flatnonzero((codes != UNKNOWN) & (codes != found[panel.owners, place])):
            texts = " and ".join(repr(column.text(int(code))) for code in (codes[row], found[panel.owner(row), place]))
            laid.refused.setdefault(panel.owner(row), f"{texts} in column {column.name!r}: a series has one text there: correct it")
    return found


def _rows(task: ForecastTask, laid: Laid, kept: Steps, *, horizon: int) -> Steps:
    """The row of the panel that stands at each step, (kept, context + task.horizon); -1 where there is none, or it is not looked at."""
    width = task.context + task.horizon
    bounds = laid.panel.bounds
    columns = np.arange(width)
    if not laid.sparse:
        steps = columns + (laid.lengths[kept] - task.context)[:, np.newaxis]
        there = (steps >= 0) & (steps < np.diff(bounds)[kept][:, np.newaxis]) & (columns < task.context + horizon)
        return np.where(there, steps + bounds[:-1][kept][:, np.newaxis], -1)
    window_of = np.full(len(laid.panel), -1)
    window_of[kept] = np.arange(len(kept))
    owners = laid.panel.owners
    windows, places = window_of[owners], laid.steps - laid.lengths[owners] + task.context
    rows = np.flatnonzero((windows >= 0) & (places >= 0) & (places < task.context + horizon))
    found = np.full((len(kept), width), -1)
    found[windows[rows], places[rows]] = rows
    return found


def _window(column: Column, rows: Steps) -> Windows:
    """The column at these rows, NaN at those that are -1."""
    with np.errstate(over="ignore"):  # what is beyond the range is refused, and its window not looked at
        return np.append(column, np.nan).astype(np.float32)[rows]


def _observed(task: ForecastTask, target: Windows, kept: Steps, refused: Refused) -> NDArray[np.bool_]:
    """Which of the series have values enough."""
    observed = np.count_nonzero(~np.isnan(target), axis=1)
    for place in np.flatnonzero(observed < task.min_context):
        refused[int(kept[place])] = (
            f"{observed[place]} observed values in the last {task.context}: this model needs at least {task.min_context}"
        )
    enough: NDArray[np.bool_] = observed >= task.min_context
    return enough


def _calendar(task: ForecastTask, laid: Laid, kept: Steps) -> tuple[Windows, Times]:
    """Calendar features (kept, context + horizon, features), NaN before a series begins, and times (kept, horizon) of the steps ahead.

    Series that begin together and are equally long, as most are, share both.
    """
    clock = task.clock
    width = task.context + task.horizon
    if not kept.size:
        return np.empty((0, width, len(task.calendar)), np.float32), np.empty((0, task.horizon), "datetime64[s]")
    numbers: dict[tuple[int, int], int] = {}
    keys = zip(laid.starts[kept].astype(np.int64).tolist(), laid.lengths[kept].tolist(), strict=True)
    which = [numbers.setdefault(key, len(numbers)) for key in keys]
    spans = [clock.frequency.span(np.datetime64(start, "s"), length + task.horizon)[-width:] for start, length in numbers]
    ahead = np.stack([span[-task.horizon :] for span in spans])[which]
    found = np.full((len(spans), width, len(task.calendar)), np.nan, np.float32)
    if task.calendar:
        derived = clock.features(np.concatenate(spans), task.calendar)
        ends = np.cumsum([len(span) for span in spans])
        for window, features in zip(found, np.split(derived, ends[:-1]), strict=True):
            window[width - len(features) :] = features
    return found[which], ahead

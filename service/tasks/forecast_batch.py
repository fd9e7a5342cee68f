"""Forecasting many series at once: a panel -> the graph's inputs, the same numbers as `encode` gives for each history alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import Times
from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.contract.static_column import UNKNOWN
from service.tasks.panel import Block, Column, Panel, Refused, Steps, laid

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
    blocks, refused = laid(task, panel, horizon=horizon)
    static = _codes(task, panel, refused)
    target = _window(panel, panel.values, blocks, width=task.context, history=task.context)
    _refuse_short(task, target, refused)
    kept = np.array([series for series in range(len(panel)) if series not in refused], np.int64)
    if not kept.size:
        return Encoded({}, kept, np.empty((0, horizon), "datetime64[s]"), refused)
    inputs: Tensors = {"target": target}
    if task.past:
        past = [_window(panel, panel.past[name], blocks, width=task.context, history=task.context) for name in task.past]
        inputs["past"] = np.stack(past, axis=-1)
    known, ahead = _calendar(task, panel, blocks)
    if task.known:
        seen = task.context + horizon
        sent = [_window(panel, panel.future[name], blocks, width=seen, history=task.context) for name in task.future]
        inputs["future"] = _beside(known, sent) if sent else known
    if task.static:
        inputs["static"] = static
    if refused:
        inputs, ahead = {name: tensor[kept] for name, tensor in inputs.items()}, ahead[kept]
    return Encoded(inputs, kept, ahead[:, :horizon], refused)


def _codes(task: ForecastTask, panel: Panel, refused: Refused) -> Steps:
    """Codes (series, static columns) of the categories of each series; one with two categories is refused."""
    found = np.zeros((len(panel), len(task.static)), np.int64)
    for place, column in enumerate(task.static):
        codes = panel.static[column.name]
        found[:, place] = np.maximum.reduceat(codes, panel.bounds[:-1])
        for row in np.flatnonzero((codes != UNKNOWN) & (codes != found[panel.owners, place])).tolist():
            texts = " and ".join(repr(column.text(int(code))) for code in (codes[row], found[panel.owner(row), place]))
            refused.setdefault(panel.owner(row), f"{texts} in column {column.name!r}: a series has one text there: correct it")
    return found


def _window(panel: Panel, column: Column, blocks: Sequence[Block], *, width: int, history: int) -> Windows:
    """`width` steps of each series from `history` steps before its forecast on, (series, width); NaN where there is no row."""
    found = np.full((len(panel), width), np.nan, np.float32)
    for block in blocks:
        places = block.steps - (block.length - history)
        begin, end = np.searchsorted(places, (0, width)).tolist()
        if begin == end:
            continue
        first, after = int(places[begin]), int(places[end - 1]) + 1
        own = found[block.run.first : block.run.end]
        with np.errstate(over="ignore"):  # what is beyond the range is refused, and its window not looked at
            own[block.members, first:after] = _spread(block.of(column)[:, begin:end], places[begin:end] - first, after - first)
    return found


def _spread(values: Column, places: Steps, width: int) -> Column:
    """Values (series, rows) at these of `width` steps, NaN at the others."""
    if len(places) == width:
        return values
    found = np.full((len(values), width), np.nan, values.dtype)
    found[:, places] = values
    return found


def _refuse_short(task: ForecastTask, target: Windows, refused: Refused) -> None:
    observed = np.count_nonzero(~np.isnan(target), axis=1)
    for series in np.flatnonzero(observed < task.min_context).tolist():
        refused.setdefault(
            series, f"{observed[series]} observed values in the last {task.context}: this model needs at least {task.min_context}"
        )


def _calendar(task: ForecastTask, panel: Panel, blocks: Sequence[Block]) -> tuple[Windows, Times]:
    """Calendar features (series, context + horizon, features), NaN before a series begins, and times (series, horizon) of the steps ahead.

    Series that begin together and are equally long, as most are, share both.
    """
    clock = task.clock
    width = task.context + task.horizon
    numbers: dict[tuple[np.datetime64, int], int] = {}
    which = np.zeros(len(panel), np.int64)
    for block in blocks:
        which[block.series] = numbers.setdefault((block.start, block.length), len(numbers))
    spans = [clock.frequency.span(start, length + task.horizon)[-width:] for start, length in numbers]
    ahead = np.stack([span[-task.horizon :] for span in spans])[which]
    found = np.full((len(spans), width, len(task.calendar)), np.nan, np.float32)
    if task.calendar:
        derived = clock.features(np.concatenate(spans), task.calendar)
        ends = np.cumsum([len(span) for span in spans])
        for window, features in zip(found, np.split(derived, ends[:-1]), strict=True):
            window[width - len(features) :] = features
    return (np.broadcast_to(found, (len(panel), *found.shape[1:])) if len(spans) == 1 else found[which]), ahead


def _beside(known: Windows, sent: Sequence[Windows]) -> Windows:
    """Columns that were sent, NaN beyond the horizon that was asked for, and then those of the calendar, (series, steps, columns)."""
    beyond = ((0, 0), (0, known.shape[1] - sent[0].shape[1]))
    columns = [np.pad(column, beyond, constant_values=np.nan)[..., np.newaxis] for column in sent]
    return np.concatenate([*columns, known], axis=-1)

"""The network of a forecast run: its shape, from the settings and the data, and the level of the training part that it scales by."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training.config import ForecastConfig
from training.data.series import SeriesTable
from training.data.windows import training_rows
from training.learners.base import recurrence_of
from training.learners.levels import minmax_level, standard_level
from training.networks.forecaster import Forecaster
from training.networks.forecaster_shape import ForecasterShape

LEAST_SEGMENT = 12
"""A shorter season is read step by step: there is little to gain."""
LEAST_SEGMENTS = 4
"""Steps that the recurrent layers must be left with."""


def choose_segment(config: ForecastConfig, seasons: Sequence[int], *, context: int) -> int:
    """Steps of history that are read at once: as configured, or the shortest season that the context holds often enough, or 1."""
    if config.segment is not None:
        return config.segment
    return min((season for season in seasons if season >= LEAST_SEGMENT and context >= LEAST_SEGMENTS * season), default=1)


def build_forecaster(config: ForecastConfig, table: SeriesTable, *, context: int, segment: int) -> Forecaster:
    """The network with weights drawn from torch's global generator; `segment` divides `context`."""
    lags = tuple(lag for lag in (1, *table.frequency.seasons) if lag <= context // 2 or lag == 1)
    shape = ForecasterShape(
        recurrence=recurrence_of(config),
        context=context,
        horizon=config.horizon,
        levels=config.quantiles,
        past=len(config.past),
        known=len(config.future) + len(table.calendar),
        static=tuple(len(column.categories) for column in table.static),
        scaling=config.scaling,
        head=config.head,
        batch_norm=config.batch_norm,
        bases=lags if config.base == "auto" else (),
        segment=segment,
        members=config.members,
    )
    network = Forecaster(shape)
    _set_levels(network, config, table)
    return network


def _set_levels(network: Forecaster, config: ForecastConfig, table: SeriesTable) -> None:
    """Level and spread of the training part of each column, for what is not scaled by its own window."""
    calendar = len(table.calendar)
    target, past, future = training_rows(table, horizon=config.horizon, validation=config.validation, test=config.test)
    for name, values in (("target", target[:, None]), ("past", past), ("known", future)):
        centre, scale = minmax_level(values) if config.scaling == "minmax" and name == "target" else standard_level(values)
        if name == "known" and calendar:  # calendar features lie in [-0.5, 0.5] already
            centre[-calendar:], scale[-calendar:] = 0.0, 1.0
        network.get_buffer(f"{name}_centre").copy_(torch.from_numpy(centre))
        network.get_buffer(f"{name}_scale").copy_(torch.from_numpy(scale))

"""A table of times and values -> series on a regular grid, ready to be cut into windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.contract.calendar import HOLIDAY_FEATURES
from service.contract.clock import Clock
from service.contract.frequency import Frequency, Times
from service.contract.manifest import Data
from service.contract.static_column import StaticColumn
from training.config import ForecastConfig
from training.data.categories import Texts, codes_of, static_columns, static_texts
from training.data.derived import calendar_of
from training.data.files import DataError, fingerprint, open_data, source_name
from training.data.grid import Grid, Rows, averaged, in_order, on_grid, without_repeats
from training.data.step import parsed_step, step_of, zone_of
from training.data.tables import Table, read_table
from training.data.timestamps import Timestamps, read_times

Values = NDArray[np.float32]

SHORTEST_CONTEXT = 60
LONGEST_CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Series:
    """One series on the grid that begins at `start`, NaN where missing: target (time,), past and future (time, their columns).

    `static` are the codes of its categories, in the order of its table's columns.
    """

    id: str | None
    start: np.datetime64
    target: Values
    past: Values
    future: Values
    static: tuple[int, ...] = ()

    def times(self, frequency: Frequency) -> Times:
        """The times of its steps, (time,)."""
        return frequency.span(self.start, len(self.target))


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """All series of a file. `calendar` names the features to derive from their times; `repairs` says what was done to the rows.

    With a time zone the times of steps of less than a day are UTC; `holidays` is the country of the features that need one.
    """

    series: tuple[Series, ...]
    frequency: Frequency
    calendar: tuple[str, ...]
    data: Data
    repairs: tuple[str, ...]
    time_zone: str | None = None
    holidays: str | None = None
    static: tuple[StaticColumn, ...] = ()

    @property
    def clock(self) -> Clock:
        """How the times of the series run."""
        return Clock(self.frequency, self.time_zone, self.holidays)

    def recoded(self, static: tuple[StaticColumn, ...]) -> SeriesTable:
        """The same with the codes of another table's columns of the same names; categories that those have not are unknown."""
        texts = [[column.text(code) for column, code in zip(self.static, one.static, strict=True)] for one in self.series]
        series = tuple(replace(one, static=codes_of(static, own)) for one, own in zip(self.series, texts, strict=True))
        return replace(self, series=series, static=static)


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of a series end: training [0, train_end), validation [train_end, validation_end), test [validation_end, length)."""

    train_end: int
    validation_end: int


def parts(length: int, *, horizon: int, validation: float, test: float) -> Parts:
    """Cut a series in time: shares of its steps, each part at least one horizon long where its share is not 0."""
    validation_end = length - (max(horizon, round(length * test)) if test else 0)
    return Parts(validation_end - (max(horizon, round(length * validation)) if validation else 0), validation_end)


def choose_context(config: ForecastConfig, frequency: Frequency) -> int:
    """Steps of history to look at: as configured, or two of the longest season that is not too long to train on, at least two horizons."""
    if config.context is not None:
        return config.context
    spans = [count * season for season in frequency.seasons for count in (1, 2) if count * season <= LONGEST_CONTEXT]
    return max(SHORTEST_CONTEXT, min(2 * config.horizon, LONGEST_CONTEXT), *spans)


def least_context(context: int) -> int:
    """Fewest observed values that a window's history must have: an eighth of it."""
    return max(1, context // 8)


def read_series(config: ForecastConfig, *, echo: Callable[[str], None]) -> SeriesTable:
    """Read, check and repair the series of a file; every repair is echoed and kept.

    Raises:
        DataError: rows that cannot be used, or repaired without guessing.
    """
    path = open_data(config.data)
    table = read_table(path)
    named = (config.time, config.target, *([config.series] if config.series else []), *config.past, *config.future, *config.static)
    table.require([*named, *config.only])
    table = _only(table, config.only)
    ids, codes = _series_of(table, config.series)
    texts = static_texts(table, config.static, ids, codes)
    stamps = read_times(table, config.time, zone_of(config, codes))
    values = np.stack([table.numbers(name) for name in (config.target, *config.past, *config.future)], axis=1)
    rows, sorting = in_order(Rows(table.name, codes, stamps.times, values, table.rows))
    if config.resample is not None:
        rows = averaged(rows, parsed_step(config.resample, "--resample"), phase_s=stamps.phase_s)
    rows, repeats = without_repeats(rows, remedy=_remedy(config, stamps))
    groups = [rows.take(np.arange(*ends)) for ends in pairwise(np.searchsorted(rows.series, np.arange(len(ids) + 1)))]
    frequency = step_of(config, groups, stamps)
    grids = [on_grid(group, frequency, gaps=config.gaps) for group in groups]
    series, trimming = _trimmed([_series(name, grid, config) for name, grid in zip(ids, grids, strict=True)], config, frequency)
    usable, shortage = _long_enough(series, config, frequency)
    static, usable = _with_codes(usable, config, texts)
    clock = Clock(frequency, config.time_zone, config.holidays)
    first, last = _longest(usable, clock)
    calendar, left_out = calendar_of(config, clock, first=first, last=last)
    repairs = (*stamps.repairs, *sorting, *repeats, *_gaps(grids, frequency), *trimming, *shortage, *left_out)
    for repair in repairs:
        echo(f"{table.name}: {repair}")
    data = Data(
        source=source_name(config.data),
        sha256=fingerprint(path),
        rows=len(table.rows),
        description="; ".join((_span(usable, config, clock), *repairs)),
        licence=config.licence,
    )
    holidays = config.holidays if set(calendar) & set(HOLIDAY_FEATURES) else None
    return SeriesTable(tuple(usable), frequency, calendar, data, repairs, config.time_zone, holidays, static)


def _only(table: Table, only: dict[str, tuple[str, ...]]) -> Table:
    for name, texts in only.items():
        column = table.text(name)
        wanted = column.isin(texts).to_numpy(np.bool_)
        if not wanted.any():
            there = ", ".join(map(repr, column.unique()[:10]))
            raise DataError(f"{table.name}: no row has {' or '.join(map(repr, texts))} in column {name!r}; it has {there}")
        table = table.keep(wanted)
    return table


def _series_of(table: Table, column: str | None) -> tuple[list[str | None], NDArray[np.int64]]:
    """Names of the series in the order of the file, and each row's position among them."""
    if column is None:
        return [None], np.zeros(len(table.rows), np.int64)
    codes, names = pd.factorize(table.text(column).to_numpy(object))
    if "" in names:
        row = table.rows[np.flatnonzero(codes == list(names).index(""))[0]]
        raise DataError(f"{table.name} row {row}, column {column!r}: no name of a series: write it or remove the row")
    return [str(name) for name in names], codes.astype(np.int64)


def _remedy(config: ForecastConfig, stamps: Timestamps) -> str:
    ways = []
    if config.series is None:
        ways.append("where the file holds several series, name the column that tells them apart (--series)")
    if not stamps.zoned and not stamps.daily:
        ways.append(
            "where clocks were set back (daylight saving), name their zone (--time-zone), or write the times with their UTC offsets"
        )
    last = "keep one of the rows, or average them (--resample)"
    return "; ".join((*ways, f"or {last}" if ways else last))


def _series(name: str | None, grid: Grid, config: ForecastConfig) -> Series:
    first_known = 1 + len(config.past)
    return Series(name, grid.start, grid.values[:, 0], grid.values[:, 1:first_known], grid.values[:, first_known:])


def _gaps(grids: list[Grid], frequency: Frequency) -> tuple[str, ...]:
    absent = sum(grid.absent for grid in grids)
    return (f"steps of {frequency} without a row, taken as missing values: {absent}",) if absent else ()


def _trimmed(series: list[Series], config: ForecastConfig, frequency: Frequency) -> tuple[list[Series], tuple[str, ...]]:
    """Each series from its first observed target to its last: a part for scores without one would be empty."""
    trimmed = []
    for one in series:
        observed = np.flatnonzero(~np.isnan(one.target))
        first, end = (int(observed[0]), int(observed[-1]) + 1) if observed.size else (0, 0)
        start = one.times(frequency)[first]
        trimmed.append(Series(one.id, start, one.target[first:end], one.past[first:end], one.future[first:end]))
    cut = sum(len(one.target) for one in series) - sum(len(one.target) for one in trimmed)
    return trimmed, (f"steps left out before the first and after the last value of {config.target!r}: {cut}",) if cut else ()


def _long_enough(series: list[Series], config: ForecastConfig, frequency: Frequency) -> tuple[list[Series], tuple[str, ...]]:
    least = least_context(choose_context(config, frequency)) + config.horizon
    usable = [
        one
        for one in series
        if parts(len(one.target), horizon=config.horizon, validation=config.validation, test=config.test).train_end >= least
    ]
    if not usable:
        longest = max(len(one.target) for one in series)
        needed = least + config.horizon * (bool(config.validation) + bool(config.test))
        raise DataError(
            f"{source_name(config.data)}: {longest} steps of {frequency} in the longest series are too few: horizon {config.horizon} "
            f"needs at least {needed}: give more rows, or a shorter horizon or context"
        )
    short = [str(one.id) for one in series if not any(one is other for other in usable)]
    names = ", ".join(short[:5]) + (", ..." if len(short) > 5 else "")
    return usable, (f"series left out as too short: {len(short)} of {len(series)} ({names})",) if short else ()


def _with_codes(
    series: list[Series], config: ForecastConfig, texts: dict[str | None, Texts]
) -> tuple[tuple[StaticColumn, ...], list[Series]]:
    """The static columns with the categories of these series, and the series with their codes."""
    static = static_columns(config.static, [texts[one.id] for one in series], source=source_name(config.data))
    return static, [replace(one, static=codes_of(static, texts[one.id])) for one in series]


def _longest(series: list[Series], clock: Clock) -> tuple[np.datetime64, np.datetime64]:
    """First and last local time of the longest series."""
    longest = max(series, key=lambda one: len(one.target))
    first, last = clock.wall(longest.times(clock.frequency)[[0, -1]])
    return first, last


def _span(series: list[Series], config: ForecastConfig, clock: Clock) -> str:
    starts = min(one.start for one in series)
    ends = max(one.times(clock.frequency)[-1] for one in series)
    first, last = clock.wall(np.array([starts, ends]))
    many = f"{len(series)} series of " if len(series) > 1 else ""
    where = f" in {clock.time_zone}" if clock.time_zone is not None else ""
    return f"{many}{config.target!r} every {clock.frequency} from {first} to {last}{where}"

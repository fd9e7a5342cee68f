"""A table of times and values -> series on a regular grid, ready to be cut into windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.contract.calendar import Frequency, Times, calendar_features, infer_frequency
from service.contract.manifest import Data
from training.config import ForecastConfig
from training.data.files import DataError, fingerprint, open_data, source_name
from training.data.grid import Grid, Rows, averaged, in_order, on_grid, without_repeats
from training.data.tables import Table, read_table
from training.data.timestamps import Timestamps, read_times

Values = NDArray[np.float32]

CYCLE_DAYS = {"hour_of_day": 1, "day_of_week": 7, "day_of_month": 31, "day_of_year": 366, "month_of_year": 366}
"""Days after which a calendar feature comes round."""
SHORTEST_CONTEXT = 60
LONGEST_CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Series:
    """One series on the grid that begins at `start`, NaN where missing: target (time,), past and future (time, their columns)."""

    id: str | None
    start: np.datetime64
    target: Values
    past: Values
    future: Values

    def times(self, frequency: Frequency) -> Times:
        """The times of its steps, (time,)."""
        return frequency.span(self.start, len(self.target))


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """All series of a file. `calendar` names the features to derive from their times; `repairs` says what was done to the rows."""

    series: tuple[Series, ...]
    frequency: Frequency
    calendar: tuple[str, ...]
    data: Data
    repairs: tuple[str, ...]


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
    table.require([config.time, config.target, *([config.series] if config.series else []), *config.past, *config.future, *config.only])
    table = _only(table, config.only)
    stamps = read_times(table, config.time)
    ids, codes = _series_of(table, config.series)
    values = np.stack([table.numbers(name) for name in (config.target, *config.past, *config.future)], axis=1)
    rows, sorting = in_order(Rows(table.name, codes, stamps.times, values, table.rows))
    if config.resample is not None:
        rows = averaged(rows, _parsed_step(config.resample, "--resample"))
    rows, repeats = without_repeats(rows, remedy=_remedy(config, stamps))
    groups = [rows.take(np.arange(*ends)) for ends in pairwise(np.searchsorted(rows.series, np.arange(len(ids) + 1)))]
    frequency = _frequency(config, groups)
    grids = [on_grid(group, frequency, gaps=config.gaps) for group in groups]
    series, trimming = _trimmed([_series(name, grid, config) for name, grid in zip(ids, grids, strict=True)], config, frequency)
    usable, shortage = _long_enough(series, config, frequency)
    repairs = (*stamps.repairs, *sorting, *repeats, *_gaps(grids, frequency), *trimming, *shortage)
    for repair in repairs:
        echo(f"{table.name}: {repair}")
    data = Data(
        source=source_name(config.data),
        sha256=fingerprint(path),
        rows=len(table.rows),
        description="; ".join((_span(usable, config, frequency), *repairs)),
        licence=config.licence,
    )
    return SeriesTable(tuple(usable), frequency, _calendar(usable, frequency) if config.calendar else (), data, repairs)


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
        ways.append("where clocks were set back (daylight saving), write the times with their UTC offsets, or in UTC")
    last = "keep one of the rows, or average them (--resample)"
    return "; ".join((*ways, f"or {last}" if ways else last))


def _frequency(config: ForecastConfig, groups: list[Rows]) -> Frequency:
    """The configured step, or the one that series with most of the rows keep."""
    given = config.frequency or config.resample
    if given is not None:
        return _parsed_step(given, "--frequency")
    found: Counter[Frequency] = Counter()
    problem = ""
    for group in groups:
        try:
            found[infer_frequency(group.times)] += len(group.times)
        except ValueError as error:
            problem = problem or str(error)
    if not found:
        raise DataError(f"{groups[0].file}: {problem}")
    return found.most_common(1)[0][0]


def _parsed_step(text: str, flag: str) -> Frequency:
    try:
        return Frequency.parse(text)
    except ValueError as error:
        raise DataError(f"{flag}: {error}") from error


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


def _calendar(series: list[Series], frequency: Frequency) -> tuple[str, ...]:
    """Features whose cycle the longest series goes through twice: what was seen once tells nothing of the next time."""
    longest = max((one.times(frequency)[-1] - one.start).astype("timedelta64[D]").astype(int) for one in series)
    return tuple(name for name in calendar_features(frequency) if longest >= 2 * CYCLE_DAYS[name])


def _span(series: list[Series], config: ForecastConfig, frequency: Frequency) -> str:
    first = min(one.start for one in series)
    last = max(one.times(frequency)[-1] for one in series)
    many = f"{len(series)} series of " if len(series) > 1 else ""
    return f"{many}{config.target!r} every {frequency} from {first} to {last}"

"""The step of a table's series: as configured, or as their times have it; and how times are to be read for it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from service.contract.frequency import Frequency, infer_frequency
from training.config import ForecastConfig
from training.data.files import DataError
from training.data.grid import Rows
from training.data.timestamps import Timestamps, Zone


def zone_of(config: ForecastConfig, series: NDArray[np.int64]) -> Zone | None:
    """How to read times in the configured time zone, `series` being those of the rows (n,).

    Raises:
        DataError: the configured step is none.
    """
    given = _configured(config)
    return None if config.time_zone is None else Zone(config.time_zone, series, given.whole_days if given else None)


def step_of(config: ForecastConfig, groups: list[Rows], stamps: Timestamps) -> Frequency:
    """The configured step, or the one that series with most of the rows keep; `groups` are the rows of each.

    Raises:
        DataError: the configured step is none, or no series keeps one.
    """
    given = _configured(config)
    if given is not None:
        return given
    found: Counter[Frequency] = Counter()
    problem = ""
    for group in groups:
        try:
            found[infer_frequency(group.times)] += len(group.times)
        except ValueError as error:
            problem = problem or str(error)
    if not found:
        raise DataError(f"{groups[0].file}: {problem}")
    frequency = found.most_common(1)[0][0]
    if stamps.absolute and frequency.whole_days:
        wrong = f"most times are a step of {frequency} apart, but not all of a series stand at one time of day in {config.time_zone}"
        raise DataError(f"{groups[0].file}: {wrong}: correct them, or give the frequency")
    return frequency


def parsed_step(text: str, flag: str) -> Frequency:
    """The step that the text of a flag means.

    Raises:
        DataError: none.
    """
    try:
        return Frequency.parse(text)
    except ValueError as error:
        raise DataError(f"{flag}: {error}") from error


def _configured(config: ForecastConfig) -> Frequency | None:
    if config.frequency is not None:
        return parsed_step(config.frequency, "--frequency")
    return None if config.resample is None else parsed_step(config.resample, "--resample")

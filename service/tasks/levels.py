"""Quantile levels: those that a model was trained for, any other between them, and central intervals.

Between two trained levels the quantile is linear in the level's standard normal score (the normal quantile transformation; Bogner,
Pappenberger & Cloke 2012, Hydrol. Earth Syst. Sci. 16, 1085-1094): exact where errors are normal, and never crossing, whatever they are.
Beyond the outermost trained levels nothing is known, and such a level is refused.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from service.tasks.dialogue import QuestionError
from service.tasks.history import Values

SAME = 1e-9
"""Levels as near as this are one level: (100 - 95) / 200 is 0.025, however it is rounded."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level that is asked for: `share` of the way, in normal scores, from the trained level at place `below` to the next."""

    value: float
    below: int
    share: float
    name: str

    def __str__(self) -> str:
        """Its name in an answer."""
        return self.name

    def of(self, table: Values) -> Values:
        """Its quantiles (...), of those of the trained levels (levels, ...)."""
        found: Values = table[self.below]
        if self.share:
            low, high = found.astype(np.float64), table[self.below + 1].astype(np.float64)
            found = (low + self.share * (high - low)).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Central:
    """A central interval: the share of futures in percent that it is to hold, and the levels at which it ends."""

    percent: float
    low: Level
    high: Level

    def __str__(self) -> str:
        """Its name in an answer."""
        return _name(self.percent)


def normal_scores(levels: tuple[float, ...]) -> tuple[float, ...]:
    """Where a standard normal variable has these levels."""
    return tuple(NormalDist().inv_cdf(level) for level in levels)


def asked_levels(trained: tuple[float, ...], wanted: Sequence[float] | None) -> tuple[Level, ...]:
    """Levels that a model trained for the `trained` ones, which rise, can answer; by default those.

    Raises:
        QuestionError: one is outside of them.
    """
    if wanted is None:
        return _all(trained)
    for position, level in enumerate(wanted):
        if not _inside(trained, level):
            raise QuestionError(f"quantile {level:g}: this model answers {_range(trained)}", where=("quantiles", position))
    return tuple(_level(trained, level) for level in wanted)


def asked_intervals(trained: tuple[float, ...], percents: Sequence[float]) -> tuple[Central, ...]:
    """Central intervals of so many percent (above 0, below 100).

    Raises:
        QuestionError: one ends outside of the trained levels.
    """
    intervals = []
    for position, percent in enumerate(percents):
        low, high = (100 - percent) / 200, (100 + percent) / 200
        if not (_inside(trained, low) and _inside(trained, high)):
            ends = f"level {percent:g} needs quantiles {low:g} and {high:g}: this model answers {_range(trained)}"
            raise QuestionError(f"{ends}, {_widest(trained)}", where=("level", position))
        intervals.append(Central(percent, _level(trained, low), _level(trained, high)))
    return tuple(intervals)


def widest(trained: tuple[float, ...]) -> float:
    """Percentage of the widest central interval between the trained levels, which rise; 0 or less: there is none."""
    return round(100 - 200 * max(trained[0], 1 - trained[-1]), 9)


def _inside(trained: tuple[float, ...], level: float) -> bool:
    return trained[0] - SAME <= level <= trained[-1] + SAME


def _range(trained: tuple[float, ...]) -> str:
    return f"quantiles from {trained[0]:g} to {trained[-1]:g}" if len(trained) > 1 else f"the quantile {trained[0]:g} alone"


def _widest(trained: tuple[float, ...]) -> str:
    percent = widest(trained)
    return f"so levels up to {percent:g}" if percent > 0 else "so no intervals"


@lru_cache(maxsize=1024)
def _all(trained: tuple[float, ...]) -> tuple[Level, ...]:
    return tuple(_level(trained, level) for level in trained)


@lru_cache(maxsize=4096)
def _level(trained: tuple[float, ...], level: float) -> Level:
    for place, own in enumerate(trained):
        if abs(own - level) < SAME:
            return Level(own, place, 0.0, _name(own))
    below = bisect_right(trained, level) - 1
    low, here, high = normal_scores((trained[below], level, trained[below + 1]))
    return Level(level, below, (here - low) / (high - low), _name(level))


def _name(number: float) -> str:
    return f"{number:.12g}"

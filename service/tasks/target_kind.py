"""Answers that the target can have: none below its least value, whole numbers where it is one."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ForecastTask
from service.tasks.history import Values

Real = TypeVar("Real", bound=np.floating)


def clipped(task: ForecastTask, values: Values) -> Values:
    """Values none of which is below what the target can be."""
    return values if task.lower is None else np.maximum(values, np.float32(task.lower))


def rounded(task: ForecastTask, values: NDArray[Real], *, level: float) -> NDArray[Real]:
    """Values of this quantile level as the target can have them: the median to the nearest whole number, others outwards.

    An interval that is rounded outwards holds at least what it was to hold, and levels in order stay in order.
    """
    if not task.integer:
        return values
    whole = np.rint(values) if level == 0.5 else np.floor(values) if level < 0.5 else np.ceil(values)
    unsigned: NDArray[Real] = np.where(whole == 0, np.abs(whole), whole)  # no -0
    return unsigned

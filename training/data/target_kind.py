"""What values a target can have: any, none below zero, or whole numbers from zero on."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.files import DataError

TargetKind = Literal["auto", "real", "non-negative", "count"]


def target_kind(values: NDArray[np.floating], declared: TargetKind = "auto") -> tuple[float | None, bool]:
    """Least value (none: no bound), and whether only whole numbers are possible, of a target with these values, NaN where missing.

    As declared; `auto` is non-negative where no observed value is below zero, and a count where all of them are whole numbers besides.

    Raises:
        DataError: a value that is not of the declared kind.
    """
    observed = values[~np.isnan(values)]
    negative, broken = observed[observed < 0], observed[observed != np.rint(observed)]
    match declared:
        case "real":
            return None, False
        case "auto":
            possible = observed.size and not negative.size
            return (0.0, not broken.size) if possible else (None, False)
        case "non-negative" | "count":
            if negative.size:
                raise _contradicted(declared, float(negative[0]), remedy="real")
            if declared == "count" and broken.size:
                raise _contradicted(declared, float(broken[0]), remedy="non-negative")
            return 0.0, declared == "count"


def _contradicted(declared: TargetKind, value: float, *, remedy: TargetKind) -> DataError:
    return DataError(f"the target is declared {declared} and has the value {value:g}: correct it, or train with --target-kind {remedy}")

"""What a forecaster is built to, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.networks.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class ForecasterShape:
    """Architecture of a forecaster.

    `bases` are the lags whose values the forecast starts from: 1 the last value, 24 the value a day before, ...; none: from the level.
    `static` says how many categories each static column has.
    `segment` steps are read at once by the recurrent layers, and divide the context; `members` networks answer by their mean.
    """

    recurrence: Recurrence
    context: int
    horizon: int
    levels: tuple[float, ...]
    past: int = 0
    known: int = 0
    static: tuple[int, ...] = ()
    scaling: Literal["window", "standard", "minmax"] = "window"
    head: Literal["linear", "mlp"] = "mlp"
    batch_norm: bool = False
    bases: tuple[int, ...] = ()
    segment: int = 1
    members: int = 1

    @property
    def median(self) -> int:
        """Position of the median among the levels."""
        return self.levels.index(0.5)

    @property
    def season(self) -> int:
        """The longest season that the window holds twice; the whole window where there is none."""
        return max((lag for lag in self.bases if 1 < lag <= self.context // 2), default=self.context)

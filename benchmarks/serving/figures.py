"""What was measured, and the medians of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.serving.load import Measured
from benchmarks.serving.questions import Task

CONNECTIONS = (1, 16, 64)
MOST_IDLE_CPU = 0.02
Quantity = Literal["requests_s", "p50_ms", "p99_ms"]
Loads = Mapping[tuple[str, Task, int], Sequence[Measured]]
"""Way's name, task, connections -> a measurement a round."""


@dataclass(frozen=True, slots=True)
class Start:
    """A server alone on the machine.

    `ready_s` lasts until it has answered for both models; `memory_mb` is taken after load; `idle_cpu` is processor time per second.
    """

    ready_s: float
    memory_mb: float
    processes: int
    idle_cpu: float
    installed_mb: float

    @property
    def restless(self) -> bool:
        """Whether it is so busy while idle that others would be measured on what it leaves."""
        return self.idle_cpu > MOST_IDLE_CPU


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything measured; `refused` tells why a server was not, `bundled_ready_s` and `imports_s` belong to Carousel's start."""

    loads: Loads = field(default_factory=dict)
    starts: Mapping[str, Start] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    imports_s: float | None = None
    bundled_ready_s: float | None = None

    def median(self, way: str, task: Task, connections: int, quantity: Quantity = "requests_s") -> float | None:
        """Over the rounds; None where it was not measured."""
        found = self.loads.get((way, task, connections))
        return statistics.median(getattr(one, quantity) for one in found) if found else None

    def ratio(self, way: str, other: str, task: Task, connections: int, quantity: Quantity = "requests_s") -> float | None:
        """Median over the rounds of one way's figure over another's in the same round; None where either was not measured."""
        pairs = zip(self.loads.get((way, task, connections), ()), self.loads.get((other, task, connections), ()), strict=False)
        ratios = [getattr(one, quantity) / getattr(two, quantity) for one, two in pairs if getattr(two, quantity)]
        return statistics.median(ratios) if ratios else None

    def errors(self, way: str, task: Task) -> int:
        """At every number of connections together."""
        return sum(one.errors for (name, asked, _), found in self.loads.items() if (name, asked) == (way, task) for one in found)

    def ways(self) -> list[str]:
        """Names of the ways measured, in their order."""
        return list(dict.fromkeys(name for name, _, _ in self.loads))

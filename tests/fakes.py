"""Stand-ins for what is slow, rare or not here."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from service.contract.golden import Tensors


@dataclass(slots=True)
class FakeBackend:
    """Answers `x` with its double, and remembers how many rows each run had.

    While `gate` is not set, runs wait; a row of -1 makes a run fail, as a poisonous request would.
    """

    name: str = "fake"
    device: str = "cpu"
    precision: str = "fp32"
    runs: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    closed: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

    def run(self, inputs: Tensors) -> Tensors:
        self.started.set()
        assert self.gate.wait(timeout=20)
        self.runs.append(len(inputs["x"]))
        if np.any(inputs["x"] == -1):
            raise ArithmeticError("poison")
        return {"y": inputs["x"] * 2}

    def close(self) -> None:
        self.closed = True

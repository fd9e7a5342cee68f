"""Sequences over a model of digits, without a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import Manifest
from service.lifecycle.registry import ModelRegistry
from service.sequences.attempt import Asked
from service.sequences.memory_store import MemoryStore
from service.sequences.sequences import Sequences
from service.sequences.standing import Key
from service.sequences.step import Step
from service.sequences.store import Store
from service.served_model import ServedModel

from .models import Digits, Registry

IDLE_S = 60.0


@dataclass(slots=True)
class Clock:
    """Seconds that a test lets pass."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Digit:
    """A question."""

    tensors: Tensors


@dataclass(slots=True)
class Service:
    """Sequences in a store, over versions that can be changed."""

    store: Store
    registry: Registry = field(default_factory=lambda: Registry({1: Digits.of()}))
    sequences: Sequences = field(init=False)

    def __post_init__(self) -> None:
        self.sequences = Sequences(cast(ModelRegistry, self.registry), self.store)

    async def step(
        self,
        digit: int,
        sequence: str = "a",
        *,
        start: bool = False,
        end: bool = False,
        index: int | None = None,
        version: int | None = None,
    ) -> int:
        """What is written after this step."""
        number, _ = await self.numbered(digit, sequence, start=start, end=end, index=index, version=version)
        return number

    async def numbered(
        self,
        digit: int,
        sequence: str = "a",
        *,
        start: bool = False,
        end: bool = False,
        index: int | None = None,
        version: int | None = None,
    ) -> tuple[int, int]:
        """The same, and which step it was."""

        def read(_manifest: Manifest) -> Digit:
            return Digit({"digit": column(digit)})

        newest = self.registry.models[version or max(self.registry.models)]
        asked = Asked(Step(sequence, start, end, index), cast(ServedModel, newest), read, version)
        taken = await self.sequences.take(asked, timeout_s=5)
        return int(taken.outputs["written"][0, 0]), taken.index

    async def export(self, sequence: str = "a") -> bytes:
        return await self.sequences.export(Key("digits", sequence), timeout_s=5)

    async def restore(self, data: bytes, sequence: str = "a") -> int:
        return (await self.sequences.restore(Key("digits", sequence), data, timeout_s=5)).steps

    async def forget(self, sequence: str = "a") -> int:
        return (await self.sequences.forget(Key("digits", sequence), timeout_s=5)).steps


def column(value: int) -> NDArray[np.int64]:
    return np.array([[value]], np.int64)


def in_memory(clock: Clock | None = None, *, max_sequences: int = 100, max_bytes: int = 1_000_000) -> MemoryStore:
    """A store of a minute's patience."""
    return MemoryStore(idle_s=IDLE_S, max_sequences=max_sequences, max_bytes=max_bytes, clock=clock or Clock())

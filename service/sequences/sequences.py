"""The sequences of a service: their steps, one after the other for each, and where they stand, taken out and put back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Generic

from service.contract.golden import Tensors
from service.lifecycle.registry import ModelRegistry
from service.observe.sequence_metrics import SequenceMetrics
from service.sequences.attempt import Asked, Q, attempt, wrong
from service.sequences.errors import SequenceConflict, SequenceNotFound, SequencesClosed
from service.sequences.opening import open_store
from service.sequences.portable import dumped
from service.sequences.restoring import restored
from service.sequences.standing import Absence, Key, Standing
from service.sequences.store import Store
from service.sequences.turns import Turns
from service.served_model import ServedModel
from service.settings import Settings

MAX_TRIES = 16
"""Changes of one sequence that other replicas may make while one waits to make its own."""


@dataclass(frozen=True, slots=True)
class Taken(Generic[Q]):
    """A step that was taken: by which model, what that was asked, what its graph gave, states included, and which step it was."""

    model: ServedModel
    question: Q
    outputs: Tensors
    index: int


class Sequences:
    """Sequences over the models of a registry, in a store; without one, all of it is refused.

    Every method raises SequencesClosed, SequencesFull, SequenceStoreFailed and DeadlineExceeded as these say.
    """

    def __init__(self, registry: ModelRegistry, store: Store | None) -> None:
        self._registry = registry
        self._store = store
        self._turns = Turns()

    @classmethod
    def of(cls, registry: ModelRegistry, settings: Settings, metrics: SequenceMetrics) -> Sequences:
        """Those that the settings ask for; `metrics` tell of them.

        Raises:
            StartupError: what `open_store` raises.
        """
        store = open_store(settings)
        if store is not None:
            metrics.held = store.held
            metrics.expired = store.expired_sequences
        return cls(registry, store)

    async def take(self, asked: Asked[Q], *, timeout_s: float, priority: int = 0) -> Taken[Q]:
        """Take a step: by the model that is asked where it begins, else by the version that the sequence began on.

        When anything is raised, the sequence stands where it stood; only where the answer of a store elsewhere is lost it may not.

        Raises:
            BadQuestion: the model has no state, the step is not of one row, or it is no question to the model.
            SequenceNotFound, SequenceConflict: it is not the next step.
            ServiceError: whatever `ServedModel.infer` raises.
        """
        store = self._opened()
        manifest = asked.model.manifest
        if not manifest.state:
            raise wrong(f"{manifest.name!r} has no state to keep from step to step: leave it out", ("parameters", "sequence_id"))
        key = Key(manifest.name, asked.step.name)
        deadline = time.monotonic() + timeout_s
        async with self._turns.turn(key, timeout_s=timeout_s):
            for _ in range(MAX_TRIES):
                found = await store.read(key)
                tried = attempt(asked, found, self._registry, idle_s=store.idle_s)
                outputs = await tried.model.infer(tried.inputs, max(deadline - time.monotonic(), 0.0), priority)
                if tried.move == "repeat" or await store.replace(key, found, tried.after(outputs)):
                    return Taken(tried.model, tried.question, outputs, tried.index)
        raise _crowded(key)

    async def export(self, key: Key, *, timeout_s: float) -> bytes:
        """Where a sequence stands, for `restore`, once the steps that came before are taken.

        Raises:
            ModelNotFound, SequenceNotFound, SequenceConflict: there is none that can be read.
        """
        store = self._store_of(key)
        async with self._turns.turn(key, timeout_s=timeout_s):
            return dumped(_live(key, await store.read(key), store))

    async def restore(self, key: Key, data: bytes, *, timeout_s: float) -> Standing:
        """Put a sequence where `export` found it, or one of another name; what is there gives way.

        Raises:
            BadQuestion: the bytes are not those of an export of this model.
            ModelNotFound, SequenceConflict: the model or its version is not served.
        """
        store = self._store_of(key)
        standing = restored(data, key, self._registry)
        async with self._turns.turn(key, timeout_s=timeout_s):
            for _ in range(MAX_TRIES):
                if await store.replace(key, await store.read(key), standing):
                    return standing
        raise _crowded(key)

    async def forget(self, key: Key, *, timeout_s: float) -> Standing:
        """End a sequence without a step; where it stood.

        Raises:
            ModelNotFound, SequenceNotFound, SequenceConflict: there is none that can be read.
        """
        store = self._store_of(key)
        async with self._turns.turn(key, timeout_s=timeout_s):
            for _ in range(MAX_TRIES):
                found = _live(key, await store.read(key), store)
                if await store.replace(key, found, None):
                    return found
        raise _crowded(key)

    async def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            await self._store.close()

    def _opened(self) -> Store:
        if self._store is None:
            raise SequencesClosed
        return self._store

    def _store_of(self, key: Key) -> Store:
        """The store, where the model is served."""
        self._registry.versions(key.model)
        return self._opened()


def _live(key: Key, found: Standing | Absence, store: Store) -> Standing:
    if isinstance(found, Standing) and not found.ended:
        return found
    raise SequenceNotFound(key.model, key.sequence, "ended" if isinstance(found, Standing) else found, idle_s=store.idle_s)


def _crowded(key: Key) -> SequenceConflict:
    return SequenceConflict(f"others change sequence {key.sequence!r} of {key.model!r} all the time: send one step after the other")

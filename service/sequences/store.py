"""What keeps sequences between their steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from service.observe.sequence_metrics import Held
from service.sequences.standing import Absence, Key, Standing


class Store(Protocol):
    """Standings by key, each forgotten when nobody has asked for it for `idle_s` seconds."""

    @property
    def idle_s(self) -> float:
        """How long a sequence may be idle."""
        ...

    async def read(self, key: Key) -> Standing | Absence:
        """Where a sequence stands; from now on it is idle anew.

        Raises:
            SequenceConflict: what is there cannot be read.
            SequenceStoreFailed: the store does not answer.
        """
        ...

    async def replace(self, key: Key, found: Standing | Absence, after: Standing | None) -> bool:
        """Put `after` in the place of what `read` found, or nothing: then the sequence has ended.

        False, and nothing is changed, where meanwhile another stands there.

        Raises:
            SequencesFull: there is no room.
            SequenceStoreFailed: the store does not answer.
        """
        ...

    def held(self) -> Iterable[Held]:
        """What can be gone on with, by model and version; any thread may ask."""
        ...

    def expired_sequences(self) -> Mapping[str, int]:
        """Model -> how many were idle for too long; any thread may ask."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...

"""Sequences in the memory of this process, bounded in number and bytes."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.observe.sequence_metrics import Held
from service.sequences.errors import SequencesFull
from service.sequences.standing import Absence, Key, Standing

ENTRY_BYTES = 2000
"""What a sequence takes beside its states: names, arrays' own heads, its place here."""
MAX_GONE = 10_000
"""Sequences of which it is known why they are no longer here."""


@dataclass(slots=True)
class _Entry:
    standing: Standing
    until: float

    @property
    def bytes(self) -> int:
        return self.standing.bytes + ENTRY_BYTES


class MemoryStore:
    """A store for one process; `clock` gives seconds. What is too much is refused; those that have ended make room before."""

    def __init__(self, *, idle_s: float, max_sequences: int, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.idle_s = idle_s
        self._max_sequences = max_sequences
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()  # metrics are collected on other threads; guards all that follows
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()  # that which is idle for longest first
        self._gone: OrderedDict[Key, Absence] = OrderedDict()
        self._expired: Counter[str] = Counter()  # by model
        self._bytes = 0

    async def read(self, key: Key) -> Standing | Absence:
        """As of every store."""
        with self._lock:
            self._expire()
            entry = self._entries.get(key)
            if entry is None:
                return self._gone.get(key, "unknown")
            entry.until = self._clock() + self.idle_s
            self._entries.move_to_end(key)
            return entry.standing

    async def replace(self, key: Key, found: Standing | Absence, after: Standing | None) -> bool:
        """As of every store."""
        with self._lock:
            self._expire()
            entry = self._entries.get(key)
            now = entry.standing.revision if entry is not None else None
            if now != (found.revision if isinstance(found, Standing) else None):
                return False
            if after is None:
                self._remove(key, "ended")
            else:
                self._put(key, _Entry(after, self._clock() + self.idle_s), entry)
            return True

    async def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._gone.clear()
            self._bytes = 0

    def held(self) -> list[Held]:
        """What is here by model and version; those that have ended are in its bytes alone."""
        with self._lock:
            self._expire()
            sequences: Counter[tuple[str, int]] = Counter()
            sizes: Counter[tuple[str, int]] = Counter()
            for entry in self._entries.values():
                of = (entry.standing.model, entry.standing.version)
                sequences[of] += not entry.standing.ended
                sizes[of] += entry.bytes
        return [Held(*of, sequences=sequences[of], bytes=size) for of, size in sorted(sizes.items())]

    def expired_sequences(self) -> Mapping[str, int]:
        """Model -> how many were idle for too long."""
        with self._lock:
            self._expire()
            return dict(self._expired)

    # inside the lock

    def _put(self, key: Key, entry: _Entry, before: _Entry | None) -> None:
        grown = entry.bytes - (before.bytes if before else 0)
        if self._lacks_room(more=before is None, grown=grown):
            for ended in [other for other, one in self._entries.items() if one.standing.ended and other != key]:
                self._remove(ended, "ended")
        if self._lacks_room(more=before is None, grown=grown):
            wait_s = min(one.until for one in self._entries.values()) - self._clock() if self._entries else 0.0
            raise SequencesFull(f"{len(self._entries)} sequences of {self._bytes} bytes are kept, and no more may be", wait_s=wait_s)
        self._entries[key] = entry
        self._entries.move_to_end(key)
        self._bytes += grown
        self._gone.pop(key, None)

    def _lacks_room(self, *, more: bool, grown: int) -> bool:
        return len(self._entries) + more > self._max_sequences or self._bytes + max(grown, 0) > self._max_bytes

    def _expire(self) -> None:
        now = self._clock()
        while self._entries and next(iter(self._entries.values())).until <= now:
            key, entry = next(iter(self._entries.items()))
            if not entry.standing.ended:
                self._expired[key.model] += 1
            self._remove(key, "ended" if entry.standing.ended else "expired")

    def _remove(self, key: Key, why: Absence) -> None:
        """Let go of a sequence, which need not be here: one may begin and end with the same step."""
        entry = self._entries.pop(key, None)
        self._bytes -= entry.bytes if entry else 0
        self._gone[key] = why
        self._gone.move_to_end(key)
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)

"""What next-word models have read, kept in a bounded number of bytes: what was used longest ago goes first."""

from __future__ import annotations

import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.tasks.place import Place
from service.tasks.reading import Carried, LogProbs, Words
from service.tasks.trail import Room

T = TypeVar("T")
Outcome = Literal["whole", "part", "none"]

ENTRY_BYTES = 700
"""What Python itself takes for an entry, about: its key, its place in the order, the objects around the numbers."""
WORD_BYTES = 90
"""The same for each of some words, beside its characters."""


@dataclass(slots=True)
class Recall:
    """What a model's memory holds, and what it was good for: texts that it knew the whole, a part or nothing of, and their tokens."""

    bytes: int = 0
    entries: int = 0
    evicted: int = 0
    tokens_read: int = 0
    tokens_spared: int = 0
    texts: dict[Outcome, int] = field(default_factory=lambda: {"whole": 0, "part": 0, "none": 0})


class MemoryPool:
    """The bytes that the models of one process share to remember what they have read.

    What a model carries (kilobytes) is worth more than the log-probabilities behind it (a number a word), which one step brings back:
    where there is no more room, what was used longest ago goes, of the kind that takes most bytes.
    """

    def __init__(self, limit_bytes: int) -> None:
        """For at most so many bytes."""
        self.lock = threading.Lock()  # guards everything here, and what the memories hold and count
        self.places: Shelf[Place] = Shelf()
        self.carried: Shelf[Carried] = Shelf()
        self.log_probs: Shelf[LogProbs] = Shelf()
        self.words: Shelf[Words] = Shelf()
        self.rooms: Counter[Room] = Counter()  # entries in which each is: texts share them, and each counts once
        self._limit_bytes = limit_bytes

    def make_room(self) -> None:
        """Forget until the rest fits; the lock must be held."""
        while self.places.bytes + self.carried.bytes + self.log_probs.bytes + self.words.bytes > self._limit_bytes:
            shelves: tuple[Shelf[Any], ...] = (self.log_probs, self.words, self.carried, self.places)  # whatever they hold
            fullest = max(shelves, key=lambda shelf: shelf.bytes)
            fullest.oldest().owner.recall.evicted += 1
            self.forget(fullest, next(iter(fullest.entries)))

    def forget(self, shelf: Shelf[T], key: Hashable) -> None:
        """Forget one entry, if it is there; the lock must be held."""
        entry = shelf.entries.pop(key, None)
        if entry is None:
            return
        freed = entry.bytes
        if entry.room is not None:
            self.rooms[entry.room] -= 1
            if not self.rooms[entry.room]:
                del self.rooms[entry.room]
                freed += entry.room.nbytes
        shelf.bytes -= freed
        entry.owner.recall.bytes -= freed
        entry.owner.recall.entries -= 1

    def keep(self, shelf: Shelf[T], key: Hashable, entry: Entry[T]) -> None:
        """Keep an entry in the place of one that was there, and forget others where that takes too much room."""
        with self.lock:
            self.forget(shelf, key)
            taken = entry.bytes
            if entry.room is not None:
                taken += 0 if self.rooms[entry.room] else entry.room.nbytes
                self.rooms[entry.room] += 1
            shelf.entries[key] = entry
            shelf.bytes += taken
            entry.owner.recall.bytes += taken
            entry.owner.recall.entries += 1
            self.make_room()

    def find(self, shelf: Shelf[T], key: Hashable) -> T | None:
        """What is kept under this key, which counts as used now."""
        with self.lock:
            entry = shelf.entries.get(key)
            if entry is None:
                return None
            shelf.entries.move_to_end(key)
            return entry.value


@dataclass(slots=True, eq=False)
class LruMemory:
    """What one model has read, in a pool that it shares with others; `recall` goes on counting where a model is replaced."""

    pool: MemoryPool
    recall: Recall = field(default_factory=Recall)

    def place(self, text: bytes) -> Place | None:
        """Where a finished text stands."""
        return self.pool.find(self.pool.places, (self, text))

    def carried(self, tokens: bytes) -> Carried | None:
        """What the model carried behind these tokens."""
        return self.pool.find(self.pool.carried, (self, tokens))

    def log_probs(self, tokens: bytes) -> LogProbs | None:
        """What may follow these tokens."""
        return self.pool.find(self.pool.log_probs, (self, tokens))

    def words(self, search: bytes) -> Words | None:
        """What a search for words found."""
        return self.pool.find(self.pool.words, (self, search))

    def keep_place(self, text: bytes, place: Place) -> None:
        """Remember where a finished text stands."""
        self.pool.keep(self.pool.places, (self, text), Entry(self, place, ENTRY_BYTES))

    def keep_carried(self, tokens: bytes, carried: Carried) -> None:
        """Remember what the model carries behind these tokens."""
        state = {name: _own(array) for name, array in carried.state.items()}
        size = ENTRY_BYTES + sum(array.nbytes for array in state.values())
        room = None if carried.trail is None else carried.trail.room
        self.pool.keep(self.pool.carried, (self, tokens), Entry(self, Carried(state, carried.trail), size, room))

    def keep_log_probs(self, tokens: bytes, log_probs: LogProbs) -> None:
        """Remember what may follow these tokens."""
        own = _own(log_probs)
        own.flags.writeable = False
        self.pool.keep(self.pool.log_probs, (self, tokens), Entry(self, own, ENTRY_BYTES + own.nbytes))

    def keep_words(self, search: bytes, words: Words) -> None:
        """Remember what a search for words found."""
        own: Words = tuple(words)
        size = ENTRY_BYTES + sum(WORD_BYTES + sys.getsizeof(word) for word, _ in own)
        self.pool.keep(self.pool.words, (self, search), Entry(self, own, size))

    def count(self, *, read: int, spared: int) -> None:
        """Take notice of a text of which so many tokens were read, and so many were not since they had been before."""
        with self.pool.lock:
            self.recall.tokens_read += read
            self.recall.tokens_spared += spared
            self.recall.texts["part" if read and spared else "none" if read else "whole"] += 1

    def clear(self) -> None:
        """Forget everything."""
        with self.pool.lock:
            self._clear(self.pool.places)
            self._clear(self.pool.carried)
            self._clear(self.pool.log_probs)
            self._clear(self.pool.words)

    def _clear(self, shelf: Shelf[T]) -> None:
        for key in [key for key, entry in shelf.entries.items() if entry.owner is self]:
            self.pool.forget(shelf, key)


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """What is kept, whose it is, and its bytes but for those of the room that it shares with others."""

    owner: LruMemory
    value: T
    bytes: int
    room: Room | None = None


class Shelf(Generic[T]):
    """Entries of one kind in the order of their last use."""

    __slots__ = ("bytes", "entries")

    def __init__(self) -> None:
        self.entries: OrderedDict[Hashable, Entry[T]] = OrderedDict()
        self.bytes = 0

    def oldest(self) -> Entry[T]:
        """The entry that was used longest ago."""
        return next(iter(self.entries.values()))


def _own(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The array by itself: a row of a batch would keep all of the batch in memory."""
    return array if array.base is None else array.copy()

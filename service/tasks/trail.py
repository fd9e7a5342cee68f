"""What a text said of late and in which company, for a pointer cache: words that came before in the same text are likelier there.

Grave et al. 2017, "Improving neural language models with a continuous cache": https://arxiv.org/abs/1612.04426
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import log, log1p

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import Pointer

SPARE = 32
"""Positions that a room has left at least when it is made."""
_LEAST = np.finfo(np.float64).tiny


class Room:
    """Room for vectors and tokens, filled from the front by texts that share a beginning; what is written never changes."""

    __slots__ = ("_lock", "_written", "tokens", "vectors")

    def __init__(self, positions: int, width: int) -> None:
        """For so many positions, whose vectors are `width` wide."""
        self.vectors = np.empty((positions, width), np.float32)
        self.tokens = np.empty(positions, np.int64)
        self._written = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.vectors.nbytes + self.tokens.nbytes

    def claim(self, start: int, count: int) -> bool:
        """Whether the caller, and nobody else, may write so many positions from `start` on.

        Not where another text has gone on from there, nor where the room ends.
        """
        with self._lock:
            if self._written != start or start + count > len(self.tokens):
                return False
            self._written = start + count
            return True


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """The last positions of a text: the tokens, and the unit vector behind each. Texts that extend each other share their room."""

    room: Room
    start: int
    stop: int

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(positions, width), oldest first."""
        return self.room.vectors[self.start : self.stop]

    @property
    def tokens(self) -> NDArray[np.int64]:
        """(positions,), oldest first."""
        return self.room.tokens[self.start : self.stop]

    def mixed(self, log_probs: NDArray[np.float32], pointer: Pointer) -> NDArray[np.float32]:
        """(vocabulary,) log-probabilities of the next token, of the graph and the cache: (1 - share) p_graph + share p_cache.

        p_cache of a token is the share of it among the tokens of the window, each weighed by exp(sharpness * v . v_i): v is the last
        vector, v_i the one before that token. Where no token has a vector before it, the graph's alone.
        """
        vectors, followers = self.vectors, self.tokens[1:]
        if not len(followers):
            return log_probs
        scores = pointer.sharpness * (vectors[:-1] @ vectors[-1]).astype(np.float64)
        weights = np.exp(scores - scores.max())
        shares = np.bincount(followers, weights / weights.sum())[followers]  # of a token that is there twice, twice the same
        cached = np.log(np.maximum(shares, _LEAST)) + log(pointer.share)
        mixed = log_probs + np.float32(log1p(-pointer.share))
        mixed[followers] = np.logaddexp(mixed[followers], cached.astype(np.float32))
        return mixed


def extended(trail: Trail | None, vectors: NDArray[np.float32], tokens: NDArray[np.int64], *, window: int) -> Trail:
    """A trail with what was read behind it, (positions, width) and (positions,); None: a text begins.

    `window` is how many tokens a next one is compared with: one position more is kept, since each is judged by the vector before it.
    What goes on from the end of what is written is written behind it; what goes another way, or finds no room, takes a copy.
    """
    kept = window + 1
    if trail is not None and trail.room.claim(trail.stop, len(tokens)):
        room, start, begun = trail.room, trail.start, trail.stop
    else:
        if trail is not None:
            vectors, tokens = np.concatenate([trail.vectors, vectors]), np.concatenate([trail.tokens, tokens])
        vectors, tokens = vectors[-kept:], tokens[-kept:]
        room, start, begun = Room(len(tokens) + max(SPARE, len(tokens) // 4), vectors.shape[1]), 0, 0
        room.claim(0, len(tokens))
    stop = begun + len(tokens)
    room.vectors[begun:stop] = vectors
    room.tokens[begun:stop] = tokens
    return Trail(room, max(start, stop - kept), stop)

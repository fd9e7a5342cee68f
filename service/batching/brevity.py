"""How long a graph takes for requests of each kind, learned from its runs: whether a batch is too brief for a hop to a thread to pay."""

from __future__ import annotations

from collections.abc import Hashable

MAX_KINDS = 1024
"""Kinds remembered; a model asked for more shapes than that begins to learn again."""
FORGETTING = 0.1
"""Share of a slower run in what is expected: one run that the machine held up says little."""


class Brevity:
    """Nanoseconds a row by kind, and the rows of each kind that `limit_ns` has room for."""

    def __init__(self, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        self._row_ns: dict[Hashable, float] = {}

    def rows(self, kind: Hashable) -> int:
        """Rows that may run within the limit; none of a kind that has not run yet."""
        row_ns = self._row_ns.get(kind)
        return 0 if row_ns is None else int(self._limit_ns / row_ns)

    def learn(self, kind: Hashable, rows: int, infer_ns: int) -> None:
        """Take one run into account."""
        row_ns = max(infer_ns / rows, 1.0)
        expected = self._row_ns.get(kind, row_ns)
        if len(self._row_ns) >= MAX_KINDS:
            self._row_ns.clear()
        self._row_ns[kind] = min(row_ns, expected + FORGETTING * (row_ns - expected))

"""How far a long run has come, for people: one line that changes on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

WIDTH = 30
TERMINAL_S = 0.2
LOG_S = 30.0


@dataclass(slots=True)
class Progress:
    """Tells `out` of series done, and of how many rows of the file's `rows`, where that is known."""

    out: TextIO
    rows: int | None
    begun_at_row: int = 0
    clock: Callable[[], float] = time.monotonic
    series: int = 0
    _began: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count the time."""
        self._began = self._told = self.clock()

    def advance(self, series: int, end_row: int) -> None:
        """So many series more, up to this row of the file."""
        self.series += series
        now = self.clock()
        terminal = self.out.isatty()
        if now - self._told < (TERMINAL_S if terminal else LOG_S):
            return
        self._told = now
        line = self._line(end_row, max(now - self._began, 1e-9))
        self.out.write(f"\r{line}\x1b[K" if terminal else f"{line}\n")
        self.out.flush()

    def end(self) -> None:
        """Leave the terminal's line empty."""
        if self.out.isatty():
            self.out.write("\r\x1b[K")
            self.out.flush()

    def _line(self, end_row: int, seconds: float) -> str:
        speed = f"{self.series:,} series, {self.series / seconds:,.0f} a second"
        if not self.rows:
            return speed
        done = end_row / self.rows
        left_s = round(seconds * (self.rows - end_row) / max(end_row - self.begun_at_row, 1))
        bar = ("#" * round(WIDTH * done)).ljust(WIDTH, ".")
        return f"[{bar}] {done:4.0%}  {speed}, {left_s // 3600}:{left_s // 60 % 60:02d}:{left_s % 60:02d} left"

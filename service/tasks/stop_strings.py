"""Strings that end a text before they appear in it, met in text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Released:
    """`shown` belongs to the text for good; `held` might yet become a stop string; `stopped`: one has appeared, and nothing follows."""

    shown: str
    held: str
    stopped: bool


def release(text: str, stop: Sequence[str]) -> Released:
    """What of `text`, which is what was held before and a new piece, may be shown.

    Where a stop string is in it, all before the first one; else all but the longest end that is the beginning of a stop string.
    """
    found = [position for position in map(text.find, stop) if position >= 0]
    if found:
        return Released(text[: min(found)], "", True)
    held = max((_beginning_at_end(text, string) for string in stop), default=0)
    return Released(text[: len(text) - held], text[len(text) - held :], False)


def _beginning_at_end(text: str, string: str) -> int:
    """Characters at the end of `text` that `string` begins with, fewer than all of it."""
    longest = min(len(text), len(string) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(string[:size])), 0)

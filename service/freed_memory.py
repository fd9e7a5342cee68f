"""What a process does with memory that it needs no more."""

from __future__ import annotations

import ctypes
from contextlib import suppress

KEPT_BYTES = 1 << 20
_TRIM_THRESHOLD = -1
"""`M_TRIM_THRESHOLD` of malloc.h."""


def give_back_freed_memory() -> None:
    """From now on, all but `KEPT_BYTES` of what is freed at a heap's end goes back to the system; without glibc, nothing changes.

    Unless it is told a bound, glibc raises it to twice the largest block that was ever freed (mallopt(3)). Here that is a model's file:
    after some reloads a process would hold several times the memory that its models need.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_TRIM_THRESHOLD, KEPT_BYTES)

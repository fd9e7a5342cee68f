"""What a process does with memory that it needs no more."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KEPT_BYTES = 1 << 20
_TRIM_THRESHOLD = -1
"""`M_TRIM_THRESHOLD` of malloc.h."""
_MADV_DONTNEED = 4
"""Of sys/mman.h."""
_CODE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ +[1-9].*(?:\n(?![0-9a-f]+-).*)*?\nAnonymous: +0 kB", re.MULTILINE)
"""Code of files in /proc/self/smaps, from where to where, as far as nobody has changed it in memory."""


@contextmanager
def made_to_stay() -> Iterator[None]:
    """Inside, and later, the collector does not look through what is made inside: it takes a tenth of the start, and little is garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def give_back_freed_memory() -> None:
    """From now on, all but `KEPT_BYTES` of what is freed at a heap's end goes back to the system; without glibc, nothing changes.

    Unless it is told a bound, glibc raises it to twice the largest block that was ever freed (mallopt(3)). Here that is a model's file:
    after some reloads a process would hold several times the memory that its models need.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_TRIM_THRESHOLD, KEPT_BYTES)


def give_back_code() -> None:
    """Let go of the pages of code that have run: those that run again are found in the system's cache, at once.

    Most of what a start runs does not run again: half of onnxruntime reads and optimises graphs. Without /proc, nothing changes.
    """
    with suppress(OSError, AttributeError, TypeError):
        advise = ctypes.CDLL(None).madvise
        for found in _CODE.finditer(Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")):
            start, stop = (int(address, 16) for address in found.groups())
            advise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), _MADV_DONTNEED)

"""How many processor cores this process may use: the machine has more than a container is given, and libraries count the machine's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

INLINE_MS = 5.0
INLINE_MS_ON_ONE_CORE = 20.0
"""There a thread takes as long as the loop itself would, and waiting for Python's lock besides."""


def usable_cores(root: Path = Path("/")) -> int:
    """Whole cores that the affinity and the cgroup's quota leave, at least 1; `root` is where /proc and /sys lie."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(root)
    return affinity if quota is None else max(1, min(affinity, int(quota)))


def cpu_quota(root: Path) -> float | None:
    """Cores that the cgroup of this process and those above it allow, of version 1 or 2; None where there is no limit."""
    found = [quota for folder in _folders(root) if (quota := _quota(folder)) is not None]
    return min(found, default=None)


def session_threads(asked: int, *, cores: int, workers: int) -> int:
    """Threads of one model's arithmetic: what was asked for, 0 being all, but never more than this worker's share of the cores."""
    share = max(1, cores // workers)
    return min(asked, share) or share


def inline_ms(asked: float | None, *, cores: int, workers: int) -> float:
    """Milliseconds that a batch may hold up a worker's event loop: what was asked for, or else more where no other core could run it."""
    if asked is not None:
        return asked
    return INLINE_MS if cores // workers > 1 else INLINE_MS_ON_ONE_CORE


def _folders(root: Path) -> Iterator[Path]:
    """Folders that may hold a limit of this process: its own groups and all above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:  # version 2: one tree of all controllers
            top = mounts
        elif "cpu" in controllers.split(","):  # version 1: one tree of this controller
            top = next((mounts / name for name in (controllers, "cpu") if (mounts / name).is_dir()), mounts / "cpu")
        else:
            continue
        group = Path(path.lstrip("/"))
        if ".." in group.parts:  # a group above what this container sees
            group = Path()
        yield from (top / above for above in (group, *group.parents))


def _quota(folder: Path) -> float | None:
    with suppress(OSError, ValueError):  # no such group here, or no limit
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)  # of `max 100000` the first is no number
    with suppress(OSError, ValueError):
        quota = (folder / "cpu.cfs_quota_us").read_text(encoding="utf-8")
        period = (folder / "cpu.cfs_period_us").read_text(encoding="utf-8")
        return int(quota) / int(period) if int(quota) > 0 else None  # -1: no limit
    return None

"""A server as its processes: what they are, what they take, stopping, resting and waking all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

STOP_TIMEOUT_S = 10.0
ORPHANS_TIMEOUT_S = 1.0
_TICKS_S = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that descend from it, as far as they have a living ancestor among them."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid] if _stat(pid) else []
    for one in found:  # grows while it is read
        found += children.get(one, [])
    return found


def memory_mb(pids: list[int]) -> float:
    """Megabytes that processes take: of one what is resident, of several the sum of their proportional shares."""
    field = "Rss:" if len(pids) == 1 else "Pss:"
    return sum(_rollup(pid, field) for pid in pids) / 1024


def cpu_s(pids: list[int]) -> float:
    """Seconds of processor time that processes have used."""
    return sum((int(fields[11]) + int(fields[12])) / _TICKS_S for pid in pids if (fields := _stat(pid)))


def rest(pids: list[int]) -> None:
    """Let nothing of them run until they are woken."""
    _tell(pids, signal.SIGSTOP)


def wake(pids: list[int]) -> None:
    """Let them run again."""
    _tell(pids, signal.SIGCONT)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to stop; what is left of its family a while after it has is killed."""
    pids = family(process.pid)
    wake(pids)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    if _living(pids, ORPHANS_TIMEOUT_S):
        _tell(pids, signal.SIGKILL)
        _living(pids, STOP_TIMEOUT_S)
    process.wait()


def _living(pids: list[int], timeout_s: float) -> bool:
    """Whether any of them lives on for so long."""
    deadline = time.monotonic() + timeout_s
    while any(map(_stat, pids)):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.02)
    return False


def _tell(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """What /proc tells of a process, from its state on; nothing where it is gone, or has ended and nobody has taken notice."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    fields = text[text.rindex(")") + 2 :].split()
    return [] if fields[0] == "Z" else fields


def _rollup(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)

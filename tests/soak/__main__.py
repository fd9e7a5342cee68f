"""`python -m tests.soak --minutes 10`: soak a server, say what was found, and write it into benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import write_section
from tests.process import running

from .report import summary, verdicts
from .soak import FLAGS, Plan, prepare, soak

HEADING = "Soak"
TOLD_EVERY_S = 10.0
SOME_FAILED = 1


def main() -> int:
    """The exit code: 0 where everything was kept."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # and the server ends, too
    plan = Plan(
        seconds=given.minutes * 60,
        warm_up_s=min(60.0, given.minutes * 12),
        seed=given.seed,
        pool_threads=4 if given.workers == 1 else 12 * given.workers,
    )
    with tempfile.TemporaryDirectory(prefix="carousel-soak-") as folder:
        root = Path(folder)
        prepare(root)
        with running(root, *FLAGS, "--workers", str(given.workers)) as server:
            _say(f"{server.address}: {plan.warm_up_s:.0f} s to warm up, then {plan.seconds:.0f} s")
            outcome = asyncio.run(soak(server, root, plan, progress=_Progress().say))
            server.process.terminate()
            exit_code = server.process.wait(60)
            found = verdicts(outcome, server.log(), exit_code)
    told = summary(outcome, found)
    _say(f"\n{told}")
    if given.write:
        workers = f" WORKERS={given.workers}" if given.workers > 1 else ""
        write_section(
            f"{HEADING}, {given.workers} workers" if workers else HEADING,
            command=f"make soak MINUTES={given.minutes:g}{workers}",
            body=told,
        )
    return 0 if all(kept for _, _, kept in found) else SOME_FAILED


class _Progress:
    """Says how far a soak has come, now and then."""

    def __init__(self) -> None:
        self._next = 0.0

    def say(self, line: str) -> None:
        """Say it, if it is time."""
        if time.monotonic() >= self._next:
            _say(line)
            self._next = time.monotonic() + TOLD_EVERY_S


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long; default: 10")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the server; default: 1")
    parser.add_argument("--seed", type=int, default=0, help="of what callers draw; default: 0")
    parser.add_argument("--no-write", dest="write", action="store_false", help="leave benchmarks/RESULTS.md as it is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""A million requests to one process: its memory must not grow.

    python -m benchmarks.serving.endurance [--requests 1000000]

Every way of asking in turn, for two seconds each over connections of its own; the memory is looked at behind each turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from benchmarks.results import table, write_section
from benchmarks.serving import environments, processes
from benchmarks.serving.load import measure
from benchmarks.serving.questions import TASKS, Questions
from benchmarks.serving.running import Running, started, wait_until_it_answers
from benchmarks.serving.servers import SERVERS

HEADING = "A million requests"
CONNECTIONS, TURN_S = 32, 2
MOST_GROWTH = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory behind so many requests, of which so many had no good answer."""

    requests: int
    memory_mb: float
    errors: int


def main() -> int:
    """Ask, and write the section of RESULTS.md; 1 where the memory has grown or an answer was missing."""
    parser = argparse.ArgumentParser(description="Ask one process a million times and watch its memory.")
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    server = next(server for server in SERVERS if server.key == "carousel")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        subprocess.run([sys.executable, "-m", "benchmarks.serving.models", str(models)], check=True, cwd=environments.PROJECT)
        questions = Questions.about(models)
        with started(server, models, None, Path(folder, "carousel.log")) as running:
            wait_until_it_answers(running, questions)
            samples = list(_samples(running, questions, options.requests, Path(folder, "load.lua")))
    text = report(samples)
    print(text)
    if options.requests >= 1_000_000:
        write_section(HEADING, command="make bench-endurance", body=text)
    return 0 if growth(samples) <= MOST_GROWTH and not samples[-1].errors else 1


def quarters(samples: Sequence[Sample]) -> list[float]:
    """Mean memory while each quarter of the requests was answered."""
    last = samples[-1].requests
    parts: list[list[float]] = [[], [], [], []]
    for sample in samples:
        parts[min(3, sample.requests * 4 // (last + 1))].append(sample.memory_mb)
    return [statistics.fmean(part) if part else float("nan") for part in parts]


def growth(samples: Sequence[Sample]) -> float:
    """By how much of itself the memory of the last quarter is over that of the second."""
    found = quarters(samples)
    return found[3] / found[1] - 1


def report(samples: Sequence[Sample]) -> str:
    """The section in Markdown."""
    rows = [(f"{number} of 4", f"{memory_mb:.1f}") for number, memory_mb in enumerate(quarters(samples), 1)]
    grown = growth(samples)
    verdict = "met" if grown <= MOST_GROWTH else "**missed**"
    note = (
        f"{samples[-1].requests:,} requests over {CONNECTIONS} connections, forecasts and next words in every way of asking in turn, "
        f"{samples[-1].errors} without a good answer. From the second quarter to the last the memory has changed by {grown:+.1%}; "
        f"the aim is at most {MOST_GROWTH:.0%}: {verdict}."
    )
    return f"{note}\n\n{table(('quarter of the requests', 'MB'), rows)}"


def _samples(running: Running, questions: Questions, requests: int, script: Path) -> Iterator[Sample]:
    asked = errors = 0
    for way, task in cycle([(way, task) for way in running.server.ways for task in TASKS]):
        question = questions.ask(task, way.wire)
        measured = measure(running.url + way.paths[task], question, connections=CONNECTIONS, seconds=TURN_S, script=script)
        asked += measured.requests
        errors += measured.errors
        yield Sample(asked, processes.memory_mb(running.family()), errors)
        if asked >= requests:
            return


if __name__ == "__main__":
    sys.exit(main())

"""Carousel beside the floor and its peers: the same models, payloads and load; speed, latency, memory, size and time to ready.

    python -m benchmarks.serving [--rounds 5] [--seconds 3] [--cores 0] [--servers floor,carousel]

Needs wrk, and the package registry for the peers' environments, which are made when they are first needed. `--cores` pins every server
to these cores and wrk to the others; without it all share the machine. With `--servers` only these are measured and nothing is written.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.serving import environments, report
from benchmarks.serving.figures import Figures, Start
from benchmarks.serving.questions import TASKS, Questions
from benchmarks.serving.rounds import Rounds
from benchmarks.serving.running import Answers, RefusedError, started, wait_until_it_answers
from benchmarks.serving.servers import FLOOR, SERVERS, Server
from benchmarks.serving.startup import bundled_ready_s, imports_s, start_alone


def main() -> int:
    """Measure, and write the section of RESULTS.md; 1 where a server was refused."""
    options = _parser().parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: install it, for example with `apt-get install wrk`")
    chosen = [server for server in SERVERS if options.servers is None or server.key in (FLOOR, *options.servers.split(","))]
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        subprocess.run([sys.executable, "-m", "benchmarks.serving.models", str(models)], check=True, cwd=environments.PROJECT)
        figures = _measured(chosen, models, Rounds(options.rounds, options.seconds, options.cores, Path(folder)))
    if options.servers is None:
        report.write(figures, rounds=options.rounds, seconds=options.seconds, cores=options.cores)
    else:
        print(report.body(figures, rounds=options.rounds, seconds=options.seconds, cores=options.cores))
    return 1 if figures.refused else 0


def _measured(chosen: Sequence[Server], models: Path, rounds: Rounds) -> Figures:
    questions = Questions.about(models)
    right = _right_answers(models, questions, rounds)
    starts: dict[str, Start] = {}
    refused: dict[str, str] = {}
    for server in chosen:
        print(f"{server.key} alone", file=sys.stderr, flush=True)
        try:
            starts[server.key] = start_alone(
                server, models, questions, times=rounds.rounds, cores=rounds.cores, folder=rounds.folder, right=right
            )
        except (RefusedError, environments.NotInstalledError) as error:
            refused[server.key] = str(error)
            print(f"{server.key} is left out: {error}", file=sys.stderr)
    restless = [key for key, start in starts.items() if start.restless]
    rounds.run([server for server in chosen if server.key in starts], models, questions, right, restless=restless)
    figures = Figures(rounds.loads, starts, refused | rounds.dropped)
    if "carousel" not in starts:
        return figures
    return replace(figures, imports_s=imports_s(rounds.rounds), bundled_ready_s=bundled_ready_s(rounds.rounds, rounds.folder))


def _right_answers(models: Path, questions: Questions, rounds: Rounds) -> Answers:
    floor = next(server for server in SERVERS if server.key == FLOOR)
    with started(floor, models, rounds.cores, rounds.folder / "floor.log") as running:
        wait_until_it_answers(running, questions)
        return {task: running.ask(questions, floor.ways[0], task) for task in TASKS}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the service beside the floor and its peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--cores", default=None, help="cores that servers are pinned to, for example 0")
    parser.add_argument("--servers", default=None, help=f"some of {', '.join(server.key for server in SERVERS)}; nothing is written then")
    return parser


if __name__ == "__main__":
    sys.exit(main())

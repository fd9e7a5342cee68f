"""Graphs in int8 beside those in fp32: bytes, microseconds of a run on one thread, and what int8 loses.

    python -m benchmarks.precision [--models FOLDER]

Of the bundled models, and of the two of the serving benchmark, whose random weights lose nothing that could be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.results import table, write_section
from benchmarks.serving.models import publish_models
from service.contract.golden import Tensors, parse_goldens
from service.contract.repository import GOLDEN, ONNX, ONNX_INT8, Artifact, load_artifact, locations
from training.export import Run, onnx_run
from training.int8.graph import int8_graph
from training.int8.ranges import input_ranges

ROWS = (1, 8, 32)
ROUNDS = 15
ROUND_S = 0.05
TOKENS = 16


@dataclass(frozen=True, slots=True)
class Pair:
    """A graph in fp32, the same in int8, and a question to both."""

    name: str
    fp32: Path
    int8: Path
    question: Tensors
    lost: str


def main() -> None:
    """Measure every pair and write the section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundled models")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        lines = [_line(pair) for pair in (*bundled(options.models), *random_weights(Path(scratch)))]
    heading = (
        "model",
        "MB in fp32, int8",
        *(f"microseconds at {rows} rows" if rows > 1 else "microseconds at 1 row" for rows in ROWS),
        "lost",
    )
    note = (
        f"Best of {ROUNDS} interleaved rounds on one thread, fp32, int8 and how many times faster; a text has {TOKENS} tokens. "
        "`lost` is what was measured when the graph was published, on held-out data."
    )
    body = f"{note}\n\n{table(heading, lines)}"
    sys.stdout.write(body + "\n")
    write_section("int8 beside fp32", command="python -m benchmarks.precision", body=body)


def bundled(root: Path) -> Iterator[Pair]:
    """The newest versions of the models of a folder that have a graph in int8."""
    newest = {place.name: load_artifact(place, root=root) for place in locations(root)}
    for name, artifact in newest.items():
        int8 = artifact.manifest.int8
        if int8 is not None and int8.published:
            lost = ", ".join(f"{check.measure} {check.value:.4g}" for check in int8.checks)
            yield Pair(name, artifact.file(ONNX), artifact.file(ONNX_INT8), _question(artifact), lost)


def random_weights(scratch: Path) -> Iterator[Pair]:
    """The models of the serving benchmark, whose graphs in int8 are written whatever they lose."""
    (scratch / "making").mkdir()
    publish_models(scratch / "models", scratch / "making")
    for place in locations(scratch / "models"):
        artifact = load_artifact(place, root=scratch / "models")
        model, question = artifact.read(ONNX), _question(artifact)
        rewritten = int8_graph(model, input_ranges(model, [question]))
        if rewritten is not None:
            path = scratch / f"{place.name}.onnx"
            path.write_bytes(rewritten)
            yield Pair(place.name, artifact.file(ONNX), path, question, "")


def _question(artifact: Artifact) -> Tensors:
    question = parse_goldens(artifact.read(GOLDEN))[0].inputs
    if "tokens" in question:
        question = {**question, "tokens": np.resize(question["tokens"], (1, TOKENS))}
    return question


def _line(pair: Pair) -> tuple[str, ...]:
    fp32, int8 = (onnx_run(path, threads=1) for path in (pair.fp32, pair.int8))
    cells = []
    for rows in ROWS:
        inputs = {name: np.repeat(array[:1], rows, axis=0) for name, array in pair.question.items()}
        best = [float("inf"), float("inf")]
        for _ in range(ROUNDS):
            best = [min(seconds, _best(run, inputs)) for seconds, run in zip(best, (fp32, int8), strict=True)]
        cells.append(f"{best[0] * 1e6:,.0f}, {best[1] * 1e6:,.0f} ({best[0] / best[1]:.2f})")
    sizes = ", ".join(f"{path.stat().st_size / 1e6:.2f}" for path in (pair.fp32, pair.int8))
    return (pair.name, sizes, *cells, pair.lost)


def _best(run: Run, inputs: Tensors) -> float:
    """Seconds of the quickest run of a round."""
    best, end = float("inf"), time.perf_counter() + ROUND_S
    while time.perf_counter() < end:
        begin = time.perf_counter()
        run(inputs)
        best = min(best, time.perf_counter() - begin)
    return best


if __name__ == "__main__":
    main()

"""The graph in int8 beside the exported one: written, and published where it keeps its bounds and gains something."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from service.contract.golden import Golden, Tensors, difference, dump_goldens, parse_goldens
from service.contract.int8 import Check, Int8
from service.contract.manifest import PARITY_TOLERANCE
from service.contract.repository import GOLDEN, GOLDEN_INT8, ONNX, ONNX_INT8
from training.export import Run, onnx_run
from training.int8.graph import int8_graph
from training.int8.ranges import input_ranges
from training.learners.base import TaskLearner

LEAST_SMALLER = 1.25
"""How many times smaller a file must be that is not faster."""
TIMED_ROWS = (1, 8, 32)
TIMED_ROUNDS = 5
TIMED_S = 0.3
"""Seconds that each size of batch is timed at the least."""


def quantize(learner: TaskLearner[Any], folder: Path) -> Int8:
    """Write model.int8.onnx and golden.int8.json beside the model.onnx and golden.json of a learner's network, or say why not."""
    model = (folder / ONNX).read_bytes()
    rewritten = int8_graph(model, input_ranges(model, learner.calibration()))
    if rewritten is None:
        return Int8(published=False, reason="nothing in it that int8 has kernels for is large enough")
    path = folder / ONNX_INT8
    path.write_bytes(rewritten)
    before, after = (onnx_run(file, threads=1) for file in (folder / ONNX, path))
    goldens = parse_goldens((folder / GOLDEN).read_bytes())
    checks = (*learner.checks(before, after), _batch_check(after, learner.trials()))
    smaller = round(len(model) / len(rewritten), 2)
    faster = _faster(before, after, goldens[0].inputs)
    reason = _reason(checks, smaller=smaller, faster=faster)
    if reason:
        path.unlink()
    else:
        (folder / GOLDEN_INT8).write_text(dump_goldens(_answered(goldens, after)), encoding="utf-8")
    return Int8(published=not reason, reason=reason, checks=checks, smaller=smaller, faster=faster)


def int8_told(int8: Int8) -> str:
    """What became of a graph in int8, in a line for people."""
    gain = f"{int8.smaller:g} times smaller"
    if int8.faster:
        times = ", ".join(f"{times:g}" for times in int8.faster.values())
        gain += f"; {times} times as fast at {', '.join(int8.faster)} rows"
    measured = "; ".join(_check_told(check) for check in int8.checks)
    verdict = "published" if int8.published else f"not published: {int8.reason}"
    return f"{verdict} ({gain}; {measured})" if int8.checks else verdict


def _batch_check(run: Run, trials: list[Tensors]) -> Check:
    """How far the answers of rows of a batch differ from the same alone."""
    inputs = max(trials, key=_rows)
    whole = run(inputs)
    worst = 0.0
    for row in {0, _rows(inputs) - 1}:
        alone = run({name: array[row : row + 1] for name, array in inputs.items()})
        worst = max(worst, difference({name: array[row : row + 1] for name, array in whole.items()}, alone))
    return Check(measure="batch_difference", value=worst, at_most=PARITY_TOLERANCE)


def _faster(before: Run, after: Run, question: Tensors) -> dict[str, float]:
    """Rows -> how many times faster the second is, each at its best of turns about."""
    found = {}
    for rows in TIMED_ROWS:
        inputs = {name: np.repeat(array[:1], rows, axis=0) for name, array in question.items()}
        best = [float("inf"), float("inf")]
        end, rounds = time.perf_counter() + TIMED_S, 0
        while rounds < TIMED_ROUNDS or time.perf_counter() < end:
            best = [min(seconds, _seconds(run, inputs)) for seconds, run in zip(best, (before, after), strict=True)]
            rounds += 1
        found[str(rows)] = round(best[0] / best[1], 2)
    return found


def _seconds(run: Run, inputs: Tensors) -> float:
    begin = time.perf_counter()
    run(inputs)
    return time.perf_counter() - begin


def _reason(checks: tuple[Check, ...], *, smaller: float, faster: dict[str, float]) -> str:
    """Why not to publish it; nothing where it should be."""
    broken = [check for check in checks if not check.kept]
    if broken:
        return _check_told(broken[0])
    if smaller < LEAST_SMALLER and min(faster.values()) <= 1:
        return "no gain: neither smaller nor faster"
    return ""


def _check_told(check: Check) -> str:
    bound = f"at most {check.at_most:g}" if check.at_most is not None else f"at least {check.at_least:g}"
    return f"{check.measure} {check.value:.4g}, {bound}"


def _answered(goldens: list[Golden], run: Run) -> list[Golden]:
    """The same questions with the answers of `run`, as many outputs of each as were recorded."""
    return [Golden(golden.inputs, {name: run(golden.inputs)[name] for name in golden.outputs}) for golden in goldens]


def _rows(inputs: Tensors) -> int:
    return len(next(iter(inputs.values())))

"""The tensors of a forecaster's graph: its signature, and windows as its inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask, TensorSpec
from training.data.windows import WindowBatch
from training.export import Run

Specs = tuple[TensorSpec, ...]


def signature(task: ForecastTask) -> tuple[Specs, Specs]:
    """Inputs, `past` and `future` only where there are such columns, and outputs."""
    inputs = [_spec("target", -1, description="batch, time; raw units, NaN where missing")]
    if task.past:
        inputs.append(_spec("past", -1, len(task.past), description=f"batch, time, {', '.join(task.past)}"))
    if task.known:
        inputs.append(_spec("future", -1, len(task.known), description=f"batch, time + horizon, {', '.join(task.known)}"))
    levels = ", ".join(f"{level:g}" for level in task.quantiles)
    output = _spec("quantiles", task.horizon, len(task.quantiles), description=f"batch, horizon, levels {levels}; raw units")
    return tuple(inputs), (output,)


def window_inputs(batch: WindowBatch) -> Tensors:
    """What the graph is given of a batch: `past` and `future` only where there are such columns."""
    inputs: Tensors = {"target": batch.target}
    if batch.past.shape[-1]:
        inputs["past"] = batch.past
    if batch.future.shape[-1]:
        inputs["future"] = batch.future
    return inputs


def cut_inputs(inputs: Tensors, *, batch: int, time: int, horizon: int) -> Tensors:
    """The first `batch` rows and the last `time` steps of history; more than there are begin with missing values."""
    cut = {}
    for name, array in inputs.items():
        length = time + (horizon if name == "future" else 0)
        before = np.full((batch, max(length - array.shape[1], 0), *array.shape[2:]), np.nan, np.float32)
        cut[name] = np.concatenate([before, array[:batch, -length:]], axis=1)
    return cut


def _spec(name: str, *sizes: int, description: str) -> TensorSpec:
    return TensorSpec(name=name, datatype="FP32", shape=(-1, *sizes), description=description)


def quantiles_of(run: Run, batches: list[WindowBatch]) -> NDArray[np.float32]:
    """What an exported graph forecasts of windows, one batch after the other: (windows, horizon, levels)."""
    return np.concatenate([run(window_inputs(batch))["quantiles"] for batch in batches])

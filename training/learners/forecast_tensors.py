"""The tensors of a forecaster's graph: its signature, and windows as its inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask, TensorSpec
from training.data.windows import WindowBatch
from training.export import Run

Specs = tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class ForecastBatch:
    """Windows as tensors on the network's device; NaN where missing."""

    target: Tensor  # (batch, context)
    past: Tensor | None  # (batch, context, past)
    future: Tensor | None  # (batch, context + horizon, known)
    static: Tensor | None  # (batch, static columns), whole numbers
    actual: Tensor  # (batch, horizon)

    @property
    def inputs(self) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """What the network is given, in its order."""
        return self.target, self.past, self.future, self.static


def batch_on(device: torch.device, batch: WindowBatch) -> ForecastBatch:
    """Windows as the network learns from them."""
    target, actual = (torch.from_numpy(array).to(device) for array in (batch.target, batch.actual))
    past, future, static = (
        torch.from_numpy(array).to(device) if array.shape[-1] else None for array in (batch.past, batch.future, batch.static)
    )
    return ForecastBatch(target, past, future, static, actual)


def signature(task: ForecastTask) -> tuple[Specs, Specs]:
    """Inputs, `past`, `future` and `static` only where there are such columns, and outputs."""
    inputs = [_spec("target", -1, description="batch, time; raw units, NaN where missing")]
    if task.past:
        inputs.append(_spec("past", -1, len(task.past), description=f"batch, time, {', '.join(task.past)}"))
    if task.known:
        inputs.append(_spec("future", -1, len(task.known), description=f"batch, time + horizon, {', '.join(task.known)}"))
    if task.static:
        codes = f"batch, categories of {', '.join(column.name for column in task.static)} counted from 1, 0 for any other"
        inputs.append(TensorSpec(name="static", datatype="INT64", shape=(-1, len(task.static)), description=codes))
    levels = ", ".join(f"{level:g}" for level in task.quantiles)
    output = _spec("quantiles", task.horizon, len(task.quantiles), description=f"batch, horizon, levels {levels}; raw units")
    return tuple(inputs), (output,)


def window_inputs(batch: WindowBatch) -> Tensors:
    """What the graph is given of a batch: `past`, `future` and `static` only where there are such columns."""
    inputs: Tensors = {"target": batch.target}
    if batch.past.shape[-1]:
        inputs["past"] = batch.past
    if batch.future.shape[-1]:
        inputs["future"] = batch.future
    if batch.static.shape[-1]:
        inputs["static"] = batch.static
    return inputs


def cut_inputs(inputs: Tensors, *, batch: int, time: int, horizon: int) -> Tensors:
    """The first `batch` rows and the last `time` steps of history; more than there are begin with missing values."""
    cut = {}
    for name, array in inputs.items():
        if name == "static":
            cut[name] = array[:batch]
            continue
        length = time + (horizon if name == "future" else 0)
        before = np.full((batch, max(length - array.shape[1], 0), *array.shape[2:]), np.nan, np.float32)
        cut[name] = np.concatenate([before, array[:batch, -length:]], axis=1)
    return cut


def _spec(name: str, *sizes: int, description: str) -> TensorSpec:
    return TensorSpec(name=name, datatype="FP32", shape=(-1, *sizes), description=description)


def quantiles_of(run: Run, batches: list[WindowBatch]) -> NDArray[np.float32]:
    """What an exported graph forecasts of windows, one batch after the other: (windows, horizon, levels)."""
    return np.concatenate([run(window_inputs(batch))["quantiles"] for batch in batches])

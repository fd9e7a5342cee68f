"""Tensors of a request -> numpy, however they are sent: each checked against the graph, and all of them together."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.contract.golden import DTYPES, Tensors
from service.contract.manifest import ForecastTask, Manifest, NextWordTask, TensorSpec
from service.tasks.dialogue import QuestionError, Where

MAX_TENSORS = 100
"""Of one request, inputs or outputs."""
NO_SHARED_MEMORY_IN = "no memory is shared with callers: send the tensor in the body"

_ON_THE_WIRE = {name: np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("<") for name, dtype in DTYPES.items()}


class Sent(Protocol):
    """An input as a request names it."""

    name: str
    datatype: str

    @property
    def shape(self) -> Sequence[int]:
        """Its sizes, batch first, as the request has them: any whole numbers."""
        ...


S = TypeVar("S", bound=Sent)


def checked_tensors(
    manifest: Manifest, inputs: Sequence[S], array: Callable[[TensorSpec, S, Where], NDArray[Any]], *, kept: Container[str] = ()
) -> Tensors:
    """Graph inputs of a request; `array` gives the numbers of one, whose name, type and shape are those of the graph.

    Those that are `kept` here from step to step of a sequence are left out.

    Raises:
        QuestionError: an input missing, unknown or twice; another datatype or shape; tensors that do not go together; what `array` raises.
    """
    specs = {spec.name: spec for spec in manifest.inputs if spec.name not in kept}
    tensors: Tensors = {}
    for position, tensor in enumerate(inputs):
        where = ("inputs", position)
        spec = specs.get(tensor.name)
        if tensor.name in kept:
            raise QuestionError(f"state {tensor.name!r} is kept here for the sequence: leave it out", where=(*where, "name"))
        if spec is None:
            raise QuestionError(f"no input {tensor.name!r}: this model takes {', '.join(specs)}", where=(*where, "name"))
        if tensor.name in tensors:
            raise QuestionError(f"input {tensor.name!r} is here twice", where=(*where, "name"))
        _check_type(spec, tensor, where)
        tensors[tensor.name] = array(spec, tensor, where)
    missing = [name for name in specs if name not in tensors]
    if missing:
        raise QuestionError(f"input {missing[0]!r} is missing: this model takes {', '.join(specs)}", where=("inputs",))
    _check_together(manifest, tensors, list(tensors))
    return tensors


def check_size(spec: TensorSpec, shape: Sequence[int], size: int, where: Where) -> None:
    """Do nothing where a tensor of this shape has `size` bytes.

    Raises:
        QuestionError: it has another number.
    """
    needed = math.prod(shape) * DTYPES[spec.datatype].itemsize
    if size != needed:
        raise QuestionError(f"{size} bytes: {spec.datatype} of shape {list(shape)} has {needed}", where=where)


def from_bytes(spec: TensorSpec, shape: Sequence[int], data: bytes | memoryview, where: Where) -> NDArray[Any]:
    """A copy, aligned as the graph needs it, of the bytes of one tensor: row-major, little-endian, as many as the shape has.

    Raises:
        QuestionError: what `check_finite` raises.
    """
    array: NDArray[Any] = np.frombuffer(data, _ON_THE_WIRE[spec.datatype]).astype(DTYPES[spec.datatype]).reshape(shape)
    check_finite(spec, array, where)
    return array


def check_finite(spec: TensorSpec, array: NDArray[Any], where: Where) -> None:
    """Do nothing where there is no infinity in a tensor.

    Raises:
        QuestionError: there is one. NaN is let pass.
    """
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise QuestionError(f"{spec.name!r} holds an infinity: send finite numbers, or NaN where one is missing", where=where)


def _check_type(spec: TensorSpec, tensor: Sent, where: Where) -> None:
    if tensor.datatype != spec.datatype:
        raise QuestionError(f"{tensor.datatype!r}: {spec.name!r} takes {spec.datatype}", where=(*where, "datatype"))
    shape = tensor.shape
    fits = len(shape) == len(spec.shape) and all(size >= 1 and free in (-1, size) for size, free in zip(shape, spec.shape, strict=True))
    if not fits:
        raise QuestionError(
            f"shape {list(shape)}: {spec.name!r} takes {list(spec.shape)}, where -1 is any size from 1", where=(*where, "shape")
        )


def _check_together(manifest: Manifest, tensors: Tensors, order: list[str]) -> None:
    """What one tensor asks of another: the graph would fail on it, or read out of its tables."""
    rows = len(tensors[order[0]])
    for position, name in enumerate(order):
        if len(tensors[name]) != rows:
            raise QuestionError(
                f"{len(tensors[name])} rows beside {rows} of {order[0]!r}: axis 0 is the batch", where=("inputs", position, "shape")
            )
    match manifest.task:
        case ForecastTask(horizon=horizon):
            time = tensors["target"].shape[1]
            for name, steps in (("past", time), ("future", time + horizon)):
                if name in tensors and tensors[name].shape[1] != steps:
                    message = f"{tensors[name].shape[1]} steps: {time} of 'target' ask for {steps}"
                    raise QuestionError(message, where=("inputs", order.index(name), "shape"))
        case NextWordTask(vocabulary=vocabulary):
            tokens = tensors["tokens"]
            if tokens.min() < 0 or tokens.max() >= vocabulary:
                raise QuestionError(f"tokens are 0 to {vocabulary - 1}", where=("inputs", order.index("tokens"), "data"))
        case _:
            pass

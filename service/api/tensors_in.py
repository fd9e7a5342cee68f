"""Open Inference Protocol v2: tensors of a request -> numpy, from JSON or from bytes behind it.

JSON has no NaN: in floating-point tensors `null` stands for it. In bytes it stands for itself. Infinities are refused in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.protocol import InferBody, InputTensor
from service.contract.golden import DTYPES, Tensors
from service.contract.manifest import ForecastTask, Manifest, NextWordTask, TensorSpec
from service.tasks.dialogue import QuestionError

Where = tuple[str | int, ...]

_ON_THE_WIRE = {name: np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("<") for name, dtype in DTYPES.items()}
_ACCEPTED: dict[str, frozenset[type]] = {"b": frozenset({bool}), "i": frozenset({int}), "f": frozenset({int, float, type(None)})}


def decode(manifest: Manifest, body: InferBody) -> Tensors:
    """Graph inputs of a body.

    Raises:
        QuestionError: an input missing, unknown or twice; another datatype or shape; data that do not fill it or are not of its type;
            bytes behind the JSON that no input claims.
    """
    specs = {spec.name: spec for spec in manifest.inputs}
    tensors: Tensors = {}
    binary = body.binary
    used = 0  # of these bytes
    for position, tensor in enumerate(body.inputs):
        where = ("inputs", position)
        spec = specs.get(tensor.name)
        if spec is None:
            raise QuestionError(f"no input {tensor.name!r}: this model takes {', '.join(specs)}", where=(*where, "name"))
        if tensor.name in tensors:
            raise QuestionError(f"input {tensor.name!r} is here twice", where=(*where, "name"))
        _check_type(spec, tensor, where)
        if (size := _binary_size(tensor, where)) is None:
            tensors[tensor.name] = _from_json(spec, tensor, (*where, "data"))
        else:
            tensors[tensor.name] = _from_bytes(spec, tensor.shape, binary[used : used + size], size, where)
            used += size
    if used != len(binary):
        raise QuestionError(f"{len(binary)} bytes behind the JSON: the inputs' binary_data_size add up to {used}", where=("inputs",))
    missing = [name for name in specs if name not in tensors]
    if missing:
        raise QuestionError(f"input {missing[0]!r} is missing: this model takes {', '.join(specs)}", where=("inputs",))
    _check_together(manifest, tensors, [tensor.name for tensor in body.inputs])
    return tensors


def _check_type(spec: TensorSpec, tensor: InputTensor, where: Where) -> None:
    if tensor.datatype != spec.datatype:
        raise QuestionError(f"{tensor.datatype!r}: {spec.name!r} takes {spec.datatype}", where=(*where, "datatype"))
    shape = tensor.shape
    fits = len(shape) == len(spec.shape) and all(size >= 1 and free in (-1, size) for size, free in zip(shape, spec.shape, strict=True))
    if not fits:
        raise QuestionError(f"shape {shape}: {spec.name!r} takes {list(spec.shape)}, where -1 is any size from 1", where=(*where, "shape"))


def _binary_size(tensor: InputTensor, where: Where) -> int | None:
    """Bytes of the tensor behind the JSON; none where its numbers are in the JSON."""
    size = None
    if tensor.parameters is not None:
        size = tensor.parameters.binary_data_size
        if tensor.parameters.shared_memory_region is not None:
            message = "no memory is shared with callers: send the tensor in the body"
            raise QuestionError(message, where=(*where, "parameters", "shared_memory_region"))
    if (size is None) == (tensor.data is None):
        both = "both are here" if size is not None else "neither is here"
        raise QuestionError(f"{both}: send `data`, or bytes behind the JSON and their `binary_data_size`", where=(*where, "data"))
    return size


def _from_bytes(spec: TensorSpec, shape: Sequence[int], data: memoryview, size: int, where: Where) -> NDArray[Any]:
    """A copy, aligned as the graph needs it, of the bytes of one tensor: row-major, little-endian."""
    dtype = DTYPES[spec.datatype]
    needed = math.prod(shape) * dtype.itemsize
    if size != needed:
        message = f"{size} bytes: {spec.datatype} of shape {list(shape)} has {needed}"
        raise QuestionError(message, where=(*where, "parameters", "binary_data_size"))
    if len(data) != size:
        raise QuestionError(f"the body ends {size - len(data)} bytes before the end of {spec.name!r}", where=(*where, "parameters"))
    array: NDArray[Any] = np.frombuffer(data, _ON_THE_WIRE[spec.datatype]).astype(dtype).reshape(shape)
    if dtype.kind == "f" and np.isinf(array).any():
        raise QuestionError(f"{spec.name!r} holds an infinity: send finite numbers, or NaN where one is missing", where=where)
    return array


def _from_json(spec: TensorSpec, tensor: InputTensor, where: Where) -> NDArray[Any]:
    assert tensor.data is not None  # noqa: S101 - `_binary_size` has checked it
    return _numbers(_flat(tensor.data, tensor.shape, where), spec, where).reshape(tensor.shape)


def _flat(data: list[Any], shape: Sequence[int], where: Where) -> list[Any]:
    """Data in row-major order; nested data must nest as the shape does."""
    nested = bool(data) and isinstance(data[0], list)
    sizes = shape if nested else [math.prod(shape)]
    level: list[Any] = [data]
    for size in sizes:
        for part in level:
            if not isinstance(part, list) or len(part) != size:
                given = len(part) if isinstance(part, list) else "no list"
                raise QuestionError(f"the data do not fill the shape {list(shape)}: {given} where {size} are needed", where=where)
        level = list(chain.from_iterable(level))
    return level


def _numbers(flat: list[Any], spec: TensorSpec, where: Where) -> NDArray[Any]:
    dtype = DTYPES[spec.datatype]
    accepted = _ACCEPTED[dtype.kind]
    if not accepted.issuperset(map(type, flat)):
        position = next(index for index, value in enumerate(flat) if type(value) not in accepted)
        raise QuestionError(f"{str(flat[position])[:40]!r} is not {spec.datatype}", where=(*where, position))
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype)
    except OverflowError as error:
        raise QuestionError(f"a number is beyond the range of {spec.datatype}", where=where) from error
    if dtype.kind == "f":
        beyond = [int(index) for index in np.flatnonzero(~np.isfinite(array)) if flat[index] is not None]
        if beyond:
            raise QuestionError(f"not a finite number of {spec.datatype}", where=(*where, beyond[0]))
    return array


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

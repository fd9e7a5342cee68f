"""Open Inference Protocol v2 over HTTP: tensors of a request -> numpy, from JSON or from bytes behind it.

JSON has no NaN: in floating-point tensors `null` stands for it. In bytes it stands for itself. Infinities are refused in both.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.protocol import InferBody, InputTensor
from service.contract.golden import DTYPES, Tensors
from service.contract.manifest import Manifest, TensorSpec
from service.oip.tensors_in import NO_SHARED_MEMORY_IN, check_size, checked_tensors, from_bytes
from service.tasks.dialogue import QuestionError, Where

_ACCEPTED: dict[str, frozenset[type]] = {"b": frozenset({bool}), "i": frozenset({int}), "f": frozenset({int, float, type(None)})}


def decode(manifest: Manifest, body: InferBody, *, kept: Container[str] = ()) -> Tensors:
    """Graph inputs of a body, but for those that are `kept` here for a sequence.

    Raises:
        QuestionError: what `checked_tensors` raises; data that do not fill a tensor or are not of its type; bytes behind the JSON that no
            input claims.
    """
    binary = body.binary
    used = 0  # of these bytes

    def array(spec: TensorSpec, tensor: InputTensor, where: Where) -> NDArray[Any]:
        nonlocal used
        size = _binary_size(tensor, where)
        if size is None:
            return _from_json(spec, tensor, (*where, "data"))
        check_size(spec, tensor.shape, size, (*where, "parameters", "binary_data_size"))
        data = binary[used : used + size]
        used += size
        if len(data) != size:
            raise QuestionError(f"the body ends {size - len(data)} bytes before the end of {spec.name!r}", where=(*where, "parameters"))
        return from_bytes(spec, tensor.shape, data, where)

    tensors = checked_tensors(manifest, body.inputs, array, kept=kept)
    if used != len(binary):
        raise QuestionError(f"{len(binary)} bytes behind the JSON: the inputs' binary_data_size add up to {used}", where=("inputs",))
    return tensors


def _binary_size(tensor: InputTensor, where: Where) -> int | None:
    """Bytes of the tensor behind the JSON; none where its numbers are in the JSON."""
    size = None
    if tensor.parameters is not None:
        size = tensor.parameters.binary_data_size
        if tensor.parameters.shared_memory_region is not None:
            raise QuestionError(NO_SHARED_MEMORY_IN, where=(*where, "parameters", "shared_memory_region"))
    if (size is None) == (tensor.data is None):
        both = "both are here" if size is not None else "neither is here"
        raise QuestionError(f"{both}: send `data`, or bytes behind the JSON and their `binary_data_size`", where=(*where, "data"))
    return size


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

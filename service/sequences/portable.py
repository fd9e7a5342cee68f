"""Where a sequence stands as bytes that any replica can go on from: a file of safetensors, which holds numbers and text and no code.

Eight bytes say how long the JSON is that follows, little-endian; it names each tensor's type, shape and place in the numbers behind it, and
says under `__metadata__` of which model they are. Tensors are called `before.` or `after.` and the graph's input.
"""

from __future__ import annotations

import math
from struct import pack, unpack
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.contract.golden import Tensors
from service.sequences.standing import Standing

FORMAT = "carousel-sequence-1"
MAX_HEADER_BYTES = 100_000

_SHA256 = r"^[0-9a-f]{64}$"
_LENGTH = 8
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class _Tensor(BaseModel, defer_build=True):
    """A tensor's place in the numbers."""

    model_config = ConfigDict(extra="forbid")

    dtype: Literal["BOOL", "I32", "I64", "F32", "F64"]
    shape: list[int] = Field(max_length=16)
    data_offsets: tuple[int, int]


class _Metadata(BaseModel, defer_build=True):
    """What the tensors are of; all of it is text, as safetensors wants it."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["carousel-sequence-1"]
    model: str = Field(max_length=64)
    version: int = Field(ge=1)
    graph: str = Field(pattern=_SHA256)
    steps: int = Field(ge=1, le=2**53)
    last: str = Field(pattern=_SHA256)
    ended: bool


class _Header(BaseModel, defer_build=True):
    """The JSON at the start."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, _Tensor] = Field(init=False)
    metadata: _Metadata = Field(alias="__metadata__")


def dumped(standing: Standing) -> bytes:
    """The bytes of a standing; its revision is not in them."""
    arrays = {
        f"{when}.{name}": np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        for when, states in (("before", standing.before), ("after", standing.after))
        for name, array in states.items()
    }
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "model": standing.model,
            "version": str(standing.version),
            "graph": standing.graph,
            "steps": str(standing.steps),
            "last": standing.last,
            "ended": str(standing.ended).lower(),
        }
    }
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}
    text = orjson.dumps(header)
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    return b"".join((pack("<Q", len(text)), text, *(array.tobytes() for array in arrays.values())))


def parsed(data: bytes, *, revision: str) -> Standing:
    """The standing that `dumped` made these bytes of.

    Raises:
        ValueError: they are not such bytes; the message says what is wrong.
    """
    length = unpack("<Q", data[:_LENGTH])[0] if len(data) >= _LENGTH else 0
    if not 0 < length <= min(MAX_HEADER_BYTES, len(data) - _LENGTH):
        raise ValueError("these are no bytes of safetensors: the first eight must say how long the JSON behind them is")
    try:
        header = _Header.model_validate_json(data[_LENGTH : _LENGTH + length])
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(
            f"the JSON is not that of a sequence: {'.'.join(map(str, wrong['loc'])) or 'the whole'}: {wrong['msg']}"
        ) from error
    states = _states(header.__pydantic_extra__, memoryview(data)[_LENGTH + length :])
    said = header.metadata.model_dump(exclude={"format"})
    return Standing(**said, before=states["before"], after=states["after"], revision=revision)


def _states(tensors: dict[str, _Tensor], numbers: memoryview) -> dict[str, Tensors]:
    """Tensors by what is before the first dot of their names; they must follow one another and leave nothing over."""
    states: dict[str, Tensors] = {"before": {}, "after": {}}
    end = 0
    for name, tensor in tensors.items():
        when, _, state = name.partition(".")
        if when not in states:
            raise ValueError(f"tensor {name[:80]!r} is neither before. nor after. a step")
        states[when][state] = _array(name, tensor, numbers, begin=end)
        end = tensor.data_offsets[1]
    if end != len(numbers):
        raise ValueError(f"{len(numbers)} bytes of numbers where the JSON says {end}")
    return states


def _array(name: str, tensor: _Tensor, numbers: memoryview, *, begin: int) -> NDArray[Any]:
    dtype = _DTYPES[tensor.dtype]
    first, end = tensor.data_offsets
    size = math.prod(tensor.shape) * dtype.itemsize
    if min(tensor.shape, default=0) < 0 or first != begin or end - first != size or end > len(numbers):
        raise ValueError(f"tensor {name[:80]!r} of shape {tensor.shape} must have {size} bytes from {begin} on")
    array: NDArray[Any] = np.frombuffer(numbers[first:end], dtype).astype(dtype.newbyteorder("=")).reshape(tensor.shape)
    return array

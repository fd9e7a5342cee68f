"""Open Inference Protocol v2: tensors in JSON <-> numpy.

JSON has no NaN and no infinity: in floating-point tensors `null` stands for NaN on the way in, and for any of them on the way out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.api import examples
from service.api.body import Body
from service.contract.golden import DTYPES, Tensors
from service.contract.manifest import ForecastTask, Manifest, NextWordTask, TensorSpec
from service.tasks.dialogue import QuestionError

MAX_TENSORS = 100

Where = tuple[str | int, ...]
Name = Annotated[str, Field(max_length=200)]


class InputTensor(Body):
    """One input of the graph."""

    name: Name = Field(description="Its name in the graph.")
    shape: list[Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=16, description="Batch first.")
    datatype: str = Field(max_length=20, description="`FP32`, `INT64`, ...")
    parameters: dict[str, Any] = Field(default_factory=dict, description="None is read.")
    data: list[Any] = Field(description="Numbers in row-major order, flat or nested as the shape; null is NaN.")


class WantedOutput(Body):
    """One output that is wanted."""

    name: Name = Field(description="Its name in the graph.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="None is read.")


class InferBody(Body):
    """A run of a model's graph on tensors."""

    id: str | None = Field(default=None, max_length=200, description="Comes back with the answer.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="None is read.")
    inputs: list[InputTensor] = Field(min_length=1, max_length=MAX_TENSORS, description="Every input of the graph.")
    outputs: list[WantedOutput] | None = Field(default=None, max_length=MAX_TENSORS, description="The outputs wanted; by default all.")


class OutputTensor(BaseModel):
    """One output of the graph."""

    name: str = Field(description="Its name in the graph.")
    datatype: str = Field(description="`FP32`, `INT64`, ...")
    shape: list[int] = Field(description="Batch first.")
    data: list[float | int | bool | None] = Field(description="Flat, row-major; null is NaN or an infinity.")


class InferAnswer(BaseModel):
    """What the graph gave."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"examples": [examples.INFER_ANSWER]})

    model_name: str = Field(description="Model that answered.")
    model_version: str = Field(description="Its version.")
    id: str | None = Field(default=None, description="As it was sent; left out where none was.")
    outputs: list[OutputTensor] = Field(description="The outputs that were asked for.")


def decode(manifest: Manifest, body: InferBody) -> Tensors:
    """Graph inputs of a body.

    Raises:
        QuestionError: an input missing, unknown or twice; another datatype or shape; data that do not fill it or are not of its type.
    """
    specs = {spec.name: spec for spec in manifest.inputs}
    tensors: Tensors = {}
    for position, tensor in enumerate(body.inputs):
        where = ("inputs", position)
        spec = specs.get(tensor.name)
        if spec is None:
            raise QuestionError(f"no input {tensor.name!r}: this model takes {', '.join(specs)}", where=(*where, "name"))
        if tensor.name in tensors:
            raise QuestionError(f"input {tensor.name!r} is here twice", where=(*where, "name"))
        tensors[tensor.name] = _array(spec, tensor, where)
    missing = [name for name in specs if name not in tensors]
    if missing:
        raise QuestionError(f"input {missing[0]!r} is missing: this model takes {', '.join(specs)}", where=("inputs",))
    _check_together(manifest, tensors, [tensor.name for tensor in body.inputs])
    return tensors


def encode(manifest: Manifest, body: InferBody, outputs: Tensors) -> dict[str, Any]:
    """The answer to a body, ready for JSON.

    Raises:
        QuestionError: an output is wanted that the graph has not.
    """
    answer: dict[str, Any] = {"model_name": manifest.name, "model_version": str(manifest.version)}
    if body.id is not None:
        answer["id"] = body.id
    specs = {spec.name: spec for spec in manifest.outputs}
    answer["outputs"] = [
        {"name": name, "datatype": specs[name].datatype, "shape": outputs[name].shape, "data": np.ascontiguousarray(outputs[name]).ravel()}
        for name in wanted_outputs(manifest, body)
    ]
    return answer


def wanted_outputs(manifest: Manifest, body: InferBody) -> list[str]:
    """Names of the outputs to answer with.

    Raises:
        QuestionError: one of them the graph has not.
    """
    known = [spec.name for spec in manifest.outputs]
    if not body.outputs:
        return known
    for position, wanted in enumerate(body.outputs):
        if wanted.name not in known:
            raise QuestionError(f"no output {wanted.name!r}: this model gives {', '.join(known)}", where=("outputs", position, "name"))
    return [wanted.name for wanted in body.outputs]


def _array(spec: TensorSpec, tensor: InputTensor, where: Where) -> NDArray[Any]:
    if tensor.datatype != spec.datatype:
        raise QuestionError(f"{tensor.datatype!r}: {spec.name!r} takes {spec.datatype}", where=(*where, "datatype"))
    shape = tuple(tensor.shape)
    fits = len(shape) == len(spec.shape) and all(size >= 1 and free in (-1, size) for size, free in zip(shape, spec.shape, strict=True))
    if not fits:
        raise QuestionError(
            f"shape {list(shape)}: {spec.name!r} takes {list(spec.shape)}, where -1 is any size from 1", where=(*where, "shape")
        )
    flat = _flat(tensor.data, shape, (*where, "data"))
    return _numbers(flat, spec, (*where, "data")).reshape(shape)


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


_ACCEPTED: dict[str, frozenset[type]] = {"b": frozenset({bool}), "i": frozenset({int}), "f": frozenset({int, float, type(None)})}


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

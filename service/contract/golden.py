"""Golden requests: inputs and what the trained network answered, kept in golden.json and replayed before anything is served."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import PARITY_TOLERANCE, ArtifactError, Datatype, Json

Tensors = dict[str, NDArray[Any]]
"""Tensor name -> array, batch on axis 0."""

DTYPES: dict[Datatype, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
"""Open Inference Protocol type -> numpy type."""
_NAMES: dict[np.dtype[np.generic], Datatype] = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Golden:
    """One recorded run of the network."""

    inputs: Tensors
    outputs: Tensors


def difference(expected: Tensors, found: Tensors) -> float:
    """Largest difference over all tensors, each relative to its largest expected value (at least 1).

    Infinite where a tensor is missing or shapes, NaNs or infinities differ. Of integer tensors (ids of a top-k) only the shape counts:
    ties may be ordered differently, and their scores are compared.
    """
    return max((_tensor_difference(want, found.get(name)) for name, want in expected.items()), default=0.0)


def replay(goldens: list[Golden], run: Callable[[Tensors], Tensors], *, what: str, tolerance: float = PARITY_TOLERANCE) -> float:
    """Run every golden request through `run`; the largest difference.

    Raises:
        ArtifactError: a difference over the tolerance; `what` names the format in the message.
    """
    worst = max((difference(golden.outputs, run(golden.inputs)) for golden in goldens), default=0.0)
    if worst > tolerance:
        raise ArtifactError(
            f"{what} answers its golden requests with a difference of {worst:.2g}, over {tolerance:g}: train or export it again"
        )
    return worst


def _tensor_difference(want: NDArray[Any], got: NDArray[Any] | None) -> float:
    if got is None or got.shape != want.shape:
        return float("inf")
    if not np.issubdtype(want.dtype, np.floating):
        return 0.0
    finite = np.isfinite(want)
    if not np.array_equal(np.isfinite(got), finite) or not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    scale = max(1.0, float(np.abs(want[finite]).max(initial=0.0)))
    return float(np.abs(got[finite] - want[finite]).max(initial=0.0)) / scale


def dump_goldens(goldens: list[Golden]) -> str:
    """The text of golden.json."""
    return json.dumps([{"inputs": _encode(golden.inputs), "outputs": _encode(golden.outputs)} for golden in goldens], separators=(",", ":"))


def parse_goldens(text: str | bytes) -> list[Golden]:
    """Read golden.json.

    Raises:
        ArtifactError: not such a file, or an empty one.
    """
    try:
        goldens = [Golden(_decode(item["inputs"]), _decode(item["outputs"])) for item in json.loads(text)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ArtifactError(f"golden.json is not a list of recorded requests: {error!r}") from error
    if not goldens:
        raise ArtifactError("golden.json holds no request: nothing shows that the model computes what was trained")
    return goldens


def _encode(tensors: Tensors) -> Json:
    return {name: {"datatype": _NAMES[array.dtype], "shape": array.shape, "data": _jsonable(array)} for name, array in tensors.items()}


def _jsonable(array: NDArray[np.generic]) -> list[object]:
    values: list[Any] = array.ravel().tolist()
    if not np.issubdtype(array.dtype, np.floating):
        return values
    digits = 9 if array.dtype == np.float32 else 17  # as many as keep every number exact
    return [_jsonable_number(value, digits) for value in values]


def _jsonable_number(value: float, digits: int) -> float | str | None:
    """JSON has no NaN and no infinity: null and text stand for them."""
    if math.isnan(value):
        return None
    return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)


def _decode(tensors: Json) -> Tensors:
    decoded: Tensors = {}
    for name, tensor in tensors.items():
        values = [float("nan") if value is None else float(value) if isinstance(value, str) else value for value in tensor["data"]]
        decoded[name] = np.array(values, DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
    return decoded

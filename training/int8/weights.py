"""Weights as int8 numbers of a unit.

They have 7 bits: a sum of two products of such a weight and a byte fits 16 bits, in which processors without VNNI add them up, so that
every processor finds the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

Weights = NDArray[np.float32]
Quantized = tuple[NDArray[np.int8], Weights]
"""Whole numbers from -64 to 64, and their unit or units."""

LEVELS = 64
LEAST_WEIGHTS = 16_384
"""Fewest weights that are worth it; below, making bytes of what they are multiplied with costs more than it saves."""


def is_large_lstm(node: NodeProto, weights: dict[str, Weights]) -> bool:
    """Whether a node of a graph with these weights is an LSTM that is worth it."""
    return node.op_type == "LSTM" and sum(weights[name].size for name in node.input[1:3]) >= LEAST_WEIGHTS


def by_output(weights: Weights) -> Quantized:
    """Of weights (outputs, columns): a unit for each output (outputs,)."""
    largest = np.abs(weights).max(axis=1)
    unit = (np.where(largest > 0, largest, 1.0) / LEVELS).astype(np.float32)
    return np.rint(weights / unit[:, None]).astype(np.int8), unit


def at_once(weights: Weights) -> Quantized:
    """One unit for all (1,), with which the LSTM's kernel is fastest."""
    unit = np.array([(np.abs(weights).max() or 1.0) / LEVELS], np.float32)
    return np.rint(weights / unit).astype(np.int8), unit

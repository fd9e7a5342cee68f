"""Products with large matrices, and tables of vectors, in int8."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto

from training.int8.weights import Weights, by_output
from training.int8.writer import MICROSOFT, GraphWriter, attributes_of

LEVELS = 127
SMALLEST = 1e-30
"""A row that is all zero is divided by this."""


def write_product(writer: GraphWriter, node: NodeProto, weights: Weights, *, is_table: bool) -> None:
    """Write a Gemm or a MatMul, x W or x W + b. Each row of x is divided by its own largest number, so it does not feel the others.

    The matrix of an output layer that is a table, too, is there once.
    """
    x, name = node.input[0], node.input[1]
    writer.narrow(x)
    if is_table:
        table, scale = _table(writer, name, weights)
        matrix = writer.add("Transpose", [table], perm=[1, 0])  # done once, when the graph is loaded
    else:
        whole, units = by_output(weights if attributes_of(node).get("transB") else weights.T)
        matrix, scale = writer.constant(f"{name}/whole", whole.T), writer.constant(f"{name}/unit", units)
    largest = writer.add("ReduceMax", [writer.add("Abs", [x])], axes=[-1], keepdims=1)
    largest = writer.add("Max", [largest, writer.constant("smallest", np.float32(SMALLEST))])
    unit, middle = writer.constant("level", np.float32(1 / LEVELS)), writer.constant("middle", np.uint8(128))
    rows = writer.add("QuantizeLinear", [writer.add("Div", [x, largest]), unit, middle])
    # the units of outputs are multiplied afterwards: the kernel is slow at it
    one = writer.constant("one", np.float32(1))
    product = writer.add("MatMulIntegerToFloat", [rows, matrix, unit, one, middle], domain=MICROSOFT)
    scaled = writer.add("Mul", [product, scale])
    bias = node.input[2:]
    result = writer.add("Mul", [scaled, largest], *([] if bias else node.output))
    if bias:
        writer.add("Add", [result, *bias], *node.output)


def write_gather(writer: GraphWriter, node: NodeProto, weights: Weights) -> None:
    """Write a look-up of rows of a table."""
    table, units = _table(writer, node.input[0], weights)
    rows = writer.add("Cast", [writer.add("Gather", [table, node.input[1]])], to=TensorProto.FLOAT)
    unit = writer.add("Unsqueeze", [writer.add("Gather", [units, node.input[1]]), writer.constant("last_axis", np.array([-1], np.int64))])
    writer.add("Mul", [rows, unit], *node.output)


def _table(writer: GraphWriter, name: str, weights: Weights) -> tuple[str, str]:
    """A table (rows, columns) in int8, and the units of its rows (rows,)."""
    whole, units = by_output(weights)
    return writer.constant(f"{name}/whole", whole), writer.constant(f"{name}/unit", units)

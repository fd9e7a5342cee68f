"""A trained graph with its large weights, and the arithmetic on them, in int8.

ONNX Runtime's dynamic kernels do the work, but its `quantize_dynamic` does not write the graph: there the unit of a product's bytes follows
from the largest number of the whole tensor, and with it an answer from the other requests of its batch. Here each row has its own unit, or
all have one that is always the same. There is no such kernel for GRU and RNN: of these, only tables of vectors and large matrices change.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper

from training.int8.lstm import write_lstm
from training.int8.products import write_gather, write_product
from training.int8.ranges import Ranges
from training.int8.weights import LEAST_WEIGHTS, is_large_lstm
from training.int8.writer import GraphWriter, attributes_of

MOVES = ("Transpose", "Squeeze", "Gather", "Slice")
"""Operators that move a state about."""


def int8_graph(model: bytes, ranges: Ranges) -> bytes | None:
    """The graph in int8, with the same inputs and outputs, of one that `training.export` wrote; None where nothing in it is large enough.

    `ranges` are those of `input_ranges`.
    """
    source = onnx.load_from_string(model)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    large = {name for name, array in weights.items() if array.dtype == np.float32 and array.ndim == 2 and array.size >= LEAST_WEIGHTS}
    tables = {node.input[0] for node in source.graph.node if node.op_type == "Gather"} & large
    writer = GraphWriter(source)
    written = 0
    for node in source.graph.node:
        match node.op_type:
            case "LSTM" if is_large_lstm(node, weights):
                largest = ranges[node.input[0]]
                write_lstm(writer, node, weights, largest, from_caller=_is_from_caller(node.input[5], source.graph))
                written += 1
            case "Gemm" | "MatMul" if node.input[1] in large:
                write_product(writer, node, weights[node.input[1]], is_table=node.input[1] in tables)
                written += 1
            case "Gather" if node.input[0] in tables:
                write_gather(writer, node, weights[node.input[0]])
                written += 1
            case "Squeeze" | "Transpose" | "Gather" if node.input[0] in writer.wide and _keeps_last_axis(node):
                _hand_on(writer, node)
            case _:
                writer.keep(node)
    return writer.written() if written else None


def _is_from_caller(name: str, graph: onnx.GraphProto) -> bool:
    made_by = {output: node for node in graph.node for output in node.output}
    while name in made_by and made_by[name].op_type in MOVES:
        name = made_by[name].input[0]
    return name in {tensor.name for tensor in graph.input}


def _keeps_last_axis(node: NodeProto) -> bool:
    """Whether a node leaves the last axis, with the pins, where and as long as it is. A Squeeze takes away axes of one."""
    told = attributes_of(node)
    match node.op_type:
        case "Transpose":
            return bool(told["perm"][-1] == len(told["perm"]) - 1)
        case "Gather":
            return told.get("axis", 0) in (0, 1)  # of three or four
        case _:
            return True


def _hand_on(writer: GraphWriter, node: NodeProto) -> None:
    """Write a node for the tensor with the pins."""
    [output] = node.output
    writer.wide[output] = writer.add(node.op_type, [writer.wide[node.input[0]], *node.input[1:]], f"{output}/wide", **attributes_of(node))

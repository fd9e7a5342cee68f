"""How large what an LSTM reads becomes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from service.contract.golden import Tensors
from training.int8.weights import Weights, is_large_lstm

Ranges = dict[str, Weights]
"""Tensor that a large LSTM reads -> largest size of each of its columns."""


def input_ranges(model: bytes, calibration: Iterable[Tensors]) -> Ranges:
    """The ranges over `calibration`, inputs of the graph; a column that is 0 throughout is given the largest range of the others."""
    source = onnx.load_from_string(model)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    read = sorted({node.input[0] for node in source.graph.node if is_large_lstm(node, weights)})
    if not read:
        return {}
    source.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in read)
    session = onnxruntime.InferenceSession(source.SerializeToString(), providers=["CPUExecutionProvider"])
    found = [[np.abs(array).max(axis=(0, 1)) for array in session.run(read, inputs)] for inputs in calibration]  # (time, batch, columns)
    largest = [np.max(sizes, axis=0) for sizes in zip(*found, strict=True)]
    return {name: np.where(size > 0, size, size.max() or 1.0).astype(np.float32) for name, size in zip(read, largest, strict=True)}

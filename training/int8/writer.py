"""What a graph in int8 is written with: nodes, constants, and tensors that carry pins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
PINS = 2
"""Columns at the end of a tensor that hold the ends of its range."""


class GraphWriter:
    """Writes a graph of the same inputs and outputs as `model`, node after node.

    A tensor of `wide` lies in the graph with pins at the end of its last axis; `narrow` makes the tensor itself where one is needed.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.wide: dict[str, str] = {}
        self._model = model
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}

    def keep(self, node: NodeProto) -> None:
        """Write a node as it is."""
        for name in node.input:
            self.narrow(name)
        self._nodes.append(node)

    def add(self, operator: str, inputs: Sequence[str], *outputs: str, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401 - an attribute of ONNX is a number, a text, or several
        """Write a new node; its first output."""
        named = outputs or (f"int8/{operator}_{len(self._nodes)}",)
        self._nodes.append(helper.make_node(operator, list(inputs), list(named), domain=domain, **attributes))
        return named[0]

    def constant(self, name: str, array: NDArray[Any] | np.generic) -> str:
        """A constant, written once under this name; its name in the graph."""
        self._constants.setdefault(f"int8/{name}", np.asarray(array, order="C"))
        return f"int8/{name}"

    def narrow(self, name: str) -> None:
        """Make a tensor of `wide` without its pins, unless it is there already."""
        if name not in self.wide or any(name in node.output for node in self._nodes):
            return
        bounds = [self.constant(key, np.array([value], np.int64)) for key, value in (("first", 0), ("pins", -PINS), ("last_axis", -1))]
        self.add("Slice", [self.wide[name], *bounds], name)

    def pad(self, x: str, value: float, columns: int) -> str:
        """x (a, b, c) with `columns` more at the end, which hold `value`."""
        pads = self.constant(f"pads_{columns}", np.array([0, 0, 0, 0, 0, columns], np.int64))
        return self.add("Pad", [x, pads, self.constant(f"pin_{value:g}", np.float32(value))])

    def whole(self, x: str, unit: float = 1.0) -> str:
        """x as whole numbers of a unit, from -128 to 127, in a float tensor; what is not a number becomes one of these, too."""
        bounds = [self.constant(f"unit_{unit:g}", np.float32(unit)), self.constant("no_offset", np.int8(0))]
        return self.add("Cast", [self.add("QuantizeLinear", [x, *bounds])], to=TensorProto.FLOAT)

    def written(self) -> bytes:
        """The whole file, with the weights of `model` that are still used."""
        source = self._model.graph
        for output in source.output:
            self.narrow(output.name)
        used = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in source.initializer if tensor.name in used]
        made = [numpy_helper.from_array(array, name) for name, array in self._constants.items()]
        graph = helper.make_graph(self._nodes, "int8", source.input, source.output, [*kept, *made])
        opsets = [*self._model.opset_import, helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self._model.ir_version).SerializeToString()


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """Name -> value."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}

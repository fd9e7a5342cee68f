from __future__ import annotations

from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from service.contract.manifest import ArtifactError
from service.contract.onnx_file import refuse_external_data
from tests import artifacts

PLAIN = artifacts.next_word().onnx()


def external(name: str = "weights") -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def model(*nodes: onnx.NodeProto, initializers: tuple[TensorProto, ...] = ()) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph(list(nodes), "graph", [], [], list(initializers)))


def branch(tensor: TensorProto) -> onnx.NodeProto:
    inner = helper.make_graph([], "inner", [], [], [tensor])
    return helper.make_node("If", ["condition"], ["result"], then_branch=inner, else_branch=inner)


def nested(depth: int) -> onnx.ModelProto:
    graph = helper.make_graph([], "leaf", [], [])
    for _ in range(depth):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["r"], then_branch=graph)], "graph", [], [])
    return helper.make_model(graph)


def sparse(tensor: TensorProto) -> onnx.ModelProto:
    holder = model()
    holder.graph.sparse_initializer.add(values=tensor)
    return holder


def in_function(tensor: TensorProto) -> onnx.ModelProto:
    holder = model()
    holder.functions.append(helper.make_function("d", "f", [], ["y"], [helper.make_node("Constant", [], ["y"], value=tensor)], []))
    return holder


def in_training(tensor: TensorProto) -> onnx.ModelProto:
    holder = model()
    holder.training_info.add().initialization.initializer.append(tensor)
    return holder


def test_a_graph_with_its_weights_inside_is_accepted():
    refuse_external_data(PLAIN)
    refuse_external_data(model(initializers=(numpy_helper.from_array(np.ones(3, np.float32), "w"),)).SerializeToString())


@pytest.mark.parametrize(
    "attack",
    [
        model(initializers=(external(),)),
        model(helper.make_node("Constant", [], ["c"], value=external())),
        model(helper.make_node("Many", [], ["c"], values=[external()])),
        model(branch(external())),
        sparse(external()),
        in_function(external()),
        in_training(external()),
    ],
    ids=["initializer", "attribute", "attributes", "subgraph", "sparse", "function", "training"],
)
def test_weights_in_another_file_are_refused_wherever_they_are_named(attack: onnx.ModelProto):
    with pytest.raises(ArtifactError, match=r"model\.onnx keeps weights in another file: export it with its weights inside"):
        refuse_external_data(attack.SerializeToString())


def test_a_location_without_a_path_is_refused():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)

    with pytest.raises(ArtifactError, match="keeps weights in another file"):
        refuse_external_data(model(initializers=(tensor,)).SerializeToString())


def test_graphs_nested_without_end_are_refused():
    with pytest.raises(ArtifactError, match="nests graphs more than 64 deep"):
        refuse_external_data(nested(30).SerializeToString())


@pytest.mark.parametrize("content", [b"\xff" * 20, b"\x3a\xff", b"\x0b", b"PK\x03\x04 no graph"])
def test_what_is_no_onnx_file_is_refused(content: bytes):
    with pytest.raises(ArtifactError, match=r"model\.onnx is (not an ONNX file|cut short)"):
        refuse_external_data(content)


@given(st.integers(0, len(PLAIN) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_accepted_or_refused_and_nothing_else(place: int, damage: bytes):
    with suppress(ArtifactError):
        refuse_external_data(PLAIN[:place] + damage + PLAIN[place + len(damage) :])


@given(st.integers(0, len(PLAIN) - 1))
def test_a_file_cut_short_is_accepted_or_refused_and_nothing_else(length: int):
    with suppress(ArtifactError):
        refuse_external_data(PLAIN[:length])

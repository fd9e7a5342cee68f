"""Graphs in int8: close to what was trained, and no answer depends on the others of its batch."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from service.contract.manifest import TensorSpec
from service.contract.onnx_file import refuse_external_data
from training.export import Graph, to_onnx
from training.int8.graph import int8_graph
from training.int8.ranges import input_ranges
from training.int8.weights import at_once, by_output
from training.networks.classifier import ClassifierGraph, ClassifierShape, SequenceClassifier
from training.networks.next_word import NextWordGraph, NextWordModel, NextWordShape
from training.networks.recurrence import Recurrence

HIDDEN, VOCABULARY = 64, 400


def sequences(rows, time, seed=0):
    return {"sequence": np.random.default_rng(seed).normal(size=(rows, time, 3)).astype(np.float32)}


def texts(rows, time, seed=0, states=("state_h", "state_c"), layers=1):
    generator = np.random.default_rng(seed)
    size = (rows, layers, HIDDEN)
    return {
        "tokens": generator.integers(0, VOCABULARY, (rows, time)),
        **{name: generator.uniform(-0.5, 0.5, size).astype(np.float32) for name in states},
    }


@cache
def classifier(cell="lstm", layers=1, hidden=HIDDEN):
    torch.manual_seed(0)
    network = SequenceClassifier(ClassifierShape(Recurrence(cell, hidden, layers), features=3, labels=4))
    sequence = TensorSpec(name="sequence", datatype="FP32", shape=(-1, -1, 3))
    probabilities = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 4))
    graph = Graph(ClassifierGraph(network).eval(), (sequence,), (probabilities,))
    return to_onnx(graph, sequences(1, 5))


@cache
def words(cell="lstm", layers=1):
    torch.manual_seed(0)
    network = NextWordModel(NextWordShape(Recurrence(cell, HIDDEN, layers), VOCABULARY, embedding=64))
    torch.nn.init.normal_(network.embed.weight)  # so that words differ
    states = ("state_h", "state_c") if cell == "lstm" else ("state_h",)
    before = tuple(TensorSpec(name=name, datatype="FP32", shape=(-1, layers, HIDDEN)) for name in states)
    after = tuple(TensorSpec(name=f"next_{name}", datatype="FP32", shape=(-1, layers, HIDDEN)) for name in states)
    given = (
        TensorSpec(name="log_probs", datatype="FP32", shape=(-1, VOCABULARY)),
        TensorSpec(name="top_ids", datatype="INT64", shape=(-1, 4)),
        TensorSpec(name="top_log_probs", datatype="FP32", shape=(-1, 4)),
    )
    tokens = TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1))
    graph = Graph(NextWordGraph(network, top_k=4, hidden_ids=(0, 1)).eval(), (tokens, *before), (*given, *after))
    return to_onnx(graph, texts(1, 5, states=states, layers=layers))


@cache
def classifier_in_int8(layers=1):
    model = classifier(layers=layers)
    return session(int8_graph(model, input_ranges(model, [sequences(200, 20)])))


@cache
def words_in_int8(cell="lstm", layers=1):
    model = words(cell, layers)
    states = ("state_h", "state_c") if cell == "lstm" else ("state_h",)
    everything = {**texts(1, 1, states=states, layers=layers), "tokens": np.arange(VOCABULARY)[None]}
    return session(int8_graph(model, input_ranges(model, [everything])))


def session(model):
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def answers(graph, inputs):
    return dict(zip([output.name for output in graph.get_outputs()], graph.run(None, inputs), strict=True))


def rows_of(inputs, rows):
    return {name: array[rows] for name, array in inputs.items()}


def constants(graph):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("rows", "time"), [(1, 1), (1, 20), (7, 5), (64, 33)])
def test_a_classifier_in_int8_answers_nearly_as_in_fp32(layers, rows, time):
    questions = sequences(rows, time, seed=1)
    expected = answers(session(classifier(layers=layers)), questions)
    found = answers(classifier_in_int8(layers), questions)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=0.01)


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("lstm", 2), ("gru", 1), ("rnn", 2)])
def test_a_next_word_model_in_int8_answers_nearly_as_in_fp32_and_hands_on_its_state(cell, layers):
    states = ("state_h", "state_c") if cell == "lstm" else ("state_h",)
    questions = texts(5, 9, states=states, layers=layers)
    expected = answers(session(words(cell, layers)), questions)
    found = answers(words_in_int8(cell, layers), questions)
    assert {name: array.shape for name, array in found.items()} == {name: array.shape for name, array in expected.items()}
    for name in states:
        np.testing.assert_allclose(found[f"next_{name}"], expected[f"next_{name}"], atol=0.03)
    np.testing.assert_allclose(found["log_probs"], expected["log_probs"], atol=0.2)


POISON = st.sampled_from([0.0, 1.0, -50.0, 1e9, -1e30, np.nan, np.inf, -np.inf])


@settings(max_examples=30)
@given(rows=st.integers(2, 9), time=st.integers(1, 12), poison=POISON, layers=st.sampled_from([1, 2]), seed=st.integers(0, 5))
def test_whatever_the_others_of_a_batch_hold_an_answer_is_the_one_it_gets_alone(rows, time, poison, layers, seed):
    questions = sequences(rows, time, seed)
    questions["sequence"][1:] *= 5
    questions["sequence"][-1, -1, 0] = poison
    alone = answers(classifier_in_int8(layers), rows_of(questions, slice(0, 1)))
    together = answers(classifier_in_int8(layers), questions)
    np.testing.assert_allclose(together["probabilities"][:1], alone["probabilities"], atol=1e-6, rtol=0)


@settings(max_examples=30)
@given(rows=st.integers(2, 9), time=st.integers(1, 6), poison=POISON, name=st.sampled_from(["state_h", "state_c"]), seed=st.integers(0, 5))
def test_a_state_that_a_caller_spoilt_spoils_no_other_answer(rows, time, poison, name, seed):
    questions = texts(rows, time, seed)
    questions[name][-1] = poison
    alone = answers(words_in_int8(), rows_of(questions, slice(0, 1)))
    together = answers(words_in_int8(), questions)
    for output in ("log_probs", "top_ids", "next_state_h", "next_state_c"):
        np.testing.assert_allclose(together[output][:1], alone[output], atol=1e-6, rtol=0)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_text_in_pieces_is_read_as_the_whole(layers):
    questions = texts(3, 12, layers=layers)
    whole = answers(words_in_int8(layers=layers), questions)
    state = {name: questions[name] for name in ("state_h", "state_c")}
    for piece in np.split(questions["tokens"], [1, 5, 6], axis=1):
        found = answers(words_in_int8(layers=layers), {"tokens": piece, **state})
        state = {name: found[f"next_{name}"] for name in state}
    for output in ("log_probs", "next_state_h", "next_state_c"):
        np.testing.assert_allclose(found[output], whole[output], atol=1e-5, rtol=0)


def test_quantize_dynamic_of_onnxruntime_has_answers_depend_on_the_others_of_a_batch(tmp_path):
    """Why the graph is written here."""
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(onnx.load_from_string(words()), tmp_path / "dynamic.onnx", op_types_to_quantize=["LSTM", "MatMul", "Gemm"])
    dynamic = session((tmp_path / "dynamic.onnx").read_bytes())
    questions = texts(8, 6)
    alone = answers(dynamic, rows_of(questions, slice(0, 1)))["log_probs"]
    assert np.abs(answers(dynamic, questions)["log_probs"][:1] - alone).max() > 1e-3


def test_what_is_larger_than_in_calibration_is_cut_off():
    model = classifier()
    graph = session(int8_graph(model, input_ranges(model, [{"sequence": np.full((1, 4, 3), 2.0, np.float32)}])))
    at_the_end, beyond = ({"sequence": np.full((1, 6, 3), size, np.float32)} for size in (2.0, 200.0))
    np.testing.assert_array_equal(answers(graph, at_the_end)["probabilities"], answers(graph, beyond)["probabilities"])


def test_ranges_are_the_largest_sizes_of_each_column_and_what_is_never_seen_gets_the_largest_of_all():
    calibration = [{"sequence": np.array([[[1, -3, 0], [-2, 1, 0]]], np.float32)}, {"sequence": np.array([[[0.5, 1, 0]]], np.float32)}]
    [largest] = input_ranges(classifier(), calibration).values()
    assert largest.tolist() == [2, 3, 3]


@pytest.mark.parametrize(("cell", "hidden"), [("gru", 64), ("lstm", 16)])
def test_where_no_lstm_is_large_nothing_is_calibrated(cell, hidden):
    assert input_ranges(classifier(cell, hidden=hidden), iter(int, 1)) == {}


@pytest.mark.parametrize(("cell", "hidden"), [("gru", 64), ("rnn", 64), ("lstm", 16)])
def test_a_network_that_int8_has_no_kernels_for_or_that_is_small_stays_as_it_is(cell, hidden):
    model = classifier(cell, hidden=hidden)
    assert int8_graph(model, input_ranges(model, [sequences(4, 5)])) is None


def test_the_tied_matrix_is_stored_once_and_in_bytes():
    model = words()
    rewritten = int8_graph(model, input_ranges(model, [{**texts(1, 1), "tokens": np.arange(VOCABULARY)[None]}]))
    large = [array for array in constants(onnx.load_from_string(rewritten)).values() if array.size >= 16_384]
    assert [(array.dtype, array.shape) for array in large if array.ndim == 2] == [(np.int8, (VOCABULARY, 64))]
    assert {array.dtype for array in large} == {np.dtype(np.int8)}
    assert len(rewritten) < 0.36 * len(model)


def test_two_weights_and_two_bytes_never_overflow_sixteen_bits():
    model = words()
    rewritten = onnx.load_from_string(int8_graph(model, input_ranges(model, [texts(4, 50)])))
    largest = max(int(np.abs(array.astype(int)).max()) for array in constants(rewritten).values() if array.dtype == np.int8)
    assert largest == 64
    assert 2 * 255 * largest < 2**15


def test_the_file_is_valid_with_its_weights_inside_and_the_signature_of_the_network():
    model = words()
    rewritten = int8_graph(model, input_ranges(model, [texts(4, 50)]))
    onnx.checker.check_model(rewritten)
    refuse_external_data(rewritten)
    before, after = onnx.load_from_string(model).graph, onnx.load_from_string(rewritten).graph
    assert (list(after.input), list(after.output)) == (list(before.input), list(before.output))


def product_graph(*nodes, **matrices):
    graph = helper.make_graph(
        list(nodes),
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 128])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 150])],
        [numpy_helper.from_array(array, name) for name, array in matrices.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (helper.make_node("MatMul", ["x", "w"], ["y"]), (128, 150)),
        (helper.make_node("Gemm", ["x", "w", "b"], ["y"]), (128, 150)),
        (helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1), (150, 128)),
    ],
    ids=["matmul", "gemm", "transposed"],
)
def test_products_with_large_matrices_are_in_int8_row_by_row(node, shape):
    generator = np.random.default_rng(0)
    matrices = {"w": generator.normal(size=shape).astype(np.float32), "b": np.full(150, 7, np.float32)}
    model = product_graph(node, **{name: array for name, array in matrices.items() if name in node.input})
    rewritten = int8_graph(model, {})
    rows = generator.normal(size=(4, 128)).astype(np.float32) * np.array([[1], [1e6], [0], [1e-6]], np.float32)
    expected, found = (session(each).run(None, {"x": rows})[0] for each in (model, rewritten))
    bias = 7 if "b" in node.input else 0
    for row, size in enumerate((1, 1e6, 0, 1e-6)):
        np.testing.assert_allclose((found - bias)[row], (expected - bias)[row], atol=0.8 * size + 1e-5)
    assert np.array_equal(found[2], np.full(150, bias))
    assert 3.5 * len(rewritten) < len(model)


def test_weights_become_whole_numbers_of_a_unit():
    weights = np.array([[1.0, -0.5], [0.25, 0.125], [0, 0]], np.float32)
    whole, units = by_output(weights)
    assert whole.tolist() == [[64, -32], [64, 32], [0, 0]]
    assert (units * 64).tolist() == [1.0, 0.25, 1.0]
    whole, unit = at_once(weights)
    assert whole.tolist() == [[64, -32], [16, 8], [0, 0]]
    assert unit.tolist() == [1 / 64]

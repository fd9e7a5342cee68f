from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from service.contract.golden import DTYPES, Golden, difference, dump_goldens, parse_goldens, replay
from service.contract.manifest import ArtifactError

NAN = float("nan")
INF = float("inf")


def x(*values: float) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float32)}


@given(
    st.sampled_from(list(DTYPES.values())).flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(max_dims=3, max_side=3, min_side=0)))
)
def test_recorded_tensors_are_read_exactly(array: np.ndarray):
    [golden] = parse_goldens(dump_goldens([Golden({"a": array}, {"b": array})]))

    assert golden.inputs["a"].dtype == array.dtype
    np.testing.assert_array_equal(golden.inputs["a"], array)
    np.testing.assert_array_equal(golden.outputs["b"], array)


@pytest.mark.parametrize(
    ("expected", "found", "worst"),
    [
        (x(1, 2), x(1, 2), 0.0),
        (x(0.5), x(0.75), 0.25),
        (x(100, 50), x(100, 51), 0.01),
        (x(NAN, 1), x(NAN, 1), 0.0),
        (x(NAN, 1), x(1, 1), INF),
        (x(INF), x(INF), 0.0),
        (x(INF), x(-INF), INF),
        (x(1), x(1, 1), INF),
        (x(1), {}, INF),
        ({"ids": np.array([1, 2])}, {"ids": np.array([2, 1])}, 0.0),
        ({"ids": np.array([1, 2])}, {"ids": np.array([1, 2, 3])}, INF),
        ({}, {}, 0.0),
    ],
)
def test_the_difference_is_relative_to_the_largest_value(expected: dict[str, np.ndarray], found: dict[str, np.ndarray], worst: float):
    assert difference(expected, found) == pytest.approx(worst)


def test_a_replay_that_agrees_gives_the_largest_difference():
    goldens = [Golden(x(1), x(2)), Golden(x(2), x(4.0001))]

    assert replay(goldens, lambda inputs: x(*(inputs["x"] * 2)), what="model.onnx") == pytest.approx(2.5e-5, rel=0.01)


def test_a_replay_that_differs_is_refused_by_format():
    with pytest.raises(
        ArtifactError, match=r"model\.onnx answers its golden requests with a difference of 0\.5, over 0\.0001: train or export"
    ):
        replay([Golden(x(1), x(2))], lambda _inputs: x(1), what="model.onnx")


def test_a_replay_may_be_given_more_room():
    assert replay([Golden(x(1), x(2))], lambda _inputs: x(2.02), what="model.int8.onnx", tolerance=0.02) == pytest.approx(0.01)
    with pytest.raises(ArtifactError, match=r"model\.int8\.onnx .* a difference of 0\.05, over 0\.02"):
        replay([Golden(x(1), x(2))], lambda _inputs: x(2.1), what="model.int8.onnx", tolerance=0.02)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        "[1]",
        '[{"inputs": {}}]',
        '[{"inputs": {"x": {"datatype": "FP16", "shape": [1], "data": [1]}}, "outputs": {}}]',
        '[{"inputs": {"x": {"datatype": "FP32", "shape": [2], "data": [1]}}, "outputs": {}}]',
        '[{"inputs": {"x": {"datatype": "INT32", "shape": [1], "data": [99999999999]}}, "outputs": {}}]',
        '[{"inputs": {"x": {"datatype": "FP32", "shape": [1], "data": ["one"]}}, "outputs": {}}]',
        "[" * 100_000,
    ],
)
def test_what_is_no_recording_is_refused(text: str):
    with pytest.raises(ArtifactError, match=r"golden\.json is not a list of recorded requests"):
        parse_goldens(text)


def test_an_empty_recording_is_refused():
    with pytest.raises(ArtifactError, match=r"golden\.json holds no request"):
        parse_goldens("[]")

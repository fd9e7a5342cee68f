"""Tensors as bytes: what goes in comes out, of every type and shape; and how classifications are written."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.api.protocol import InferBody
from service.api.tensors_in import decode
from service.api.tensors_out import encode, wanted_outputs
from service.contract.golden import DTYPES
from service.contract.manifest import Datatype, Manifest, TensorSpec
from service.oip.tensors_out import classifications

from .bundled import digit_rows, manifest_of


def with_tensors(**datatypes: Datatype) -> Manifest:
    """A manifest whose graph takes and gives these tensors, of two axes each."""
    specs = tuple(TensorSpec(name=name, datatype=datatype, shape=(-1, -1)) for name, datatype in datatypes.items())
    return manifest_of(digit_rows()).model_copy(update={"inputs": specs, "outputs": specs})


def sent(datatypes: dict[str, Datatype], arrays: dict[str, NDArray[Any]]) -> InferBody:
    """A request with these arrays as bytes, as a client writes it."""
    inputs = [
        {
            "name": name,
            "datatype": datatypes[name],
            "shape": list(array.shape),
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in arrays.items()
    ]
    head = orjson.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}})
    headers = [(b"inference-header-content-length", str(len(head)).encode())]
    return InferBody.read(head + b"".join(array.tobytes() for array in arrays.values()), headers)


@given(st.lists(st.sampled_from(sorted(DTYPES)), min_size=1, max_size=5), st.integers(1, 5), st.integers(1, 7), st.integers(0, 2**32))
def test_bytes_of_every_type_come_out_as_they_went_in(types: list[Datatype], rows: int, columns: int, seed: int):
    generator = np.random.default_rng(seed)
    datatypes = {f"x{number}": datatype for number, datatype in enumerate(types)}
    arrays = {name: generator.integers(0, 2, (rows, columns)).astype(DTYPES[datatype]) for name, datatype in datatypes.items()}
    manifest = with_tensors(**datatypes)
    body = sent(datatypes, arrays)

    tensors = decode(manifest, body)
    answer, length = encode(manifest, body, wanted_outputs(manifest, body), tensors)

    assert length is not None
    assert answer[length:] == b"".join(array.tobytes() for array in arrays.values())
    assert [tensor["parameters"]["binary_data_size"] for tensor in orjson.loads(answer[:length])["outputs"]] == [
        array.nbytes for array in arrays.values()
    ]
    for name, array in arrays.items():
        assert tensors[name].dtype == array.dtype
        assert tensors[name].flags.aligned
        assert tensors[name].tolist() == array.tolist()


def test_a_byte_that_is_not_0_is_true():
    manifest = with_tensors(x="BOOL")
    body = sent({"x": "BOOL"}, {"x": np.array([[0, 1, 7, 255]], np.uint8)})

    assert decode(manifest, body)["x"].tolist() == [[False, True, True, True]]


def test_every_bit_of_a_number_is_kept():
    values = np.array([[np.nan, -0.0, np.finfo(np.float32).tiny / 2, np.finfo(np.float32).max]], np.float32)
    manifest = with_tensors(x="FP32")

    assert decode(manifest, sent({"x": "FP32"}, {"x": values}))["x"].tobytes() == values.tobytes()


def test_texts_as_bytes_have_their_length_before_them():
    manifest = manifest_of(digit_rows())
    image = {"name": "sequence", "datatype": "FP32", "shape": [1, 1, 28], "data": [0] * 28}
    output = {"name": "probabilities", "parameters": {"classification": 2, "binary_data": True}}
    body = InferBody.model_validate({"inputs": [image], "outputs": [output]})
    probabilities = np.array([[0, 0.25, 0, 0, 0, 0, 0, 0.75, 0, 0]], np.float32)

    answer, length = encode(manifest, body, wanted_outputs(manifest, body), {"probabilities": probabilities})

    assert length is not None
    assert answer[length:] == struct.pack("<I", 12) + b"0.750000:7:7" + struct.pack("<I", 12) + b"0.250000:1:1"
    assert orjson.loads(answer[:length])["outputs"] == [
        {"name": "probabilities", "datatype": "BYTES", "shape": [1, 2], "parameters": {"binary_data_size": 32}}
    ]


@pytest.mark.parametrize(
    ("array", "classes", "labels", "expected"),
    [
        (np.array([[0.5, 2, -1]], np.float32), 2, (), [["2.000000:1", "0.500000:0"]]),
        (np.array([[3, 3, 1]]), 3, ("a", "b"), [["3:0:a", "3:1:b", "1:2"]]),  # equal ones in their order; the third has no label
        (np.array([[1.0], [2.0]], np.float32), 5, ("a",), [["1.000000:0:a"], ["2.000000:0:a"]]),  # there are no more than one
        (np.array([[[1, 2], [4, 3]]]), 2, (), [["4:2", "3:3"]]),  # axes behind the batch are taken as one
        (np.array([[np.nan, 1, -np.inf]], np.float32), 3, (), [["1.000000:1", "-inf:2", "nan:0"]]),
        (np.array([[True, False]]), 1, (), [["1:0"]]),
    ],
)
def test_classifications_are_the_largest_of_each_row(array: NDArray[Any], classes: int, labels: tuple[str, ...], expected: list[list[str]]):
    assert classifications(array, classes, labels) == expected


def test_an_output_without_parameters_comes_as_the_request_says():
    manifest = with_tensors(x="FP32", y="FP32", z="FP32")
    one = {"datatype": "FP32", "shape": [1, 1], "data": [1]}
    body = InferBody.model_validate(
        {
            "inputs": [{"name": "x", **one}],
            "parameters": {"binary_data_output": True},
            "outputs": [{"name": "y"}, {"name": "x", "parameters": {"binary_data": False}}, {"name": "z", "parameters": {"colour": 1}}],
        }
    )

    assert [(wanted.name, wanted.binary) for wanted in wanted_outputs(manifest, body)] == [("y", True), ("x", False), ("z", True)]

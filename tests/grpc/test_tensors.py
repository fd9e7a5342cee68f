"""Tensors as bytes and as numbers: what goes in comes out, and what is malformed is refused with what to send."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.contract.golden import DTYPES
from service.contract.manifest import Datatype, Manifest, TensorSpec
from service.errors import BadQuestion
from service.grpc_api.messages import InferTensorContents, ModelInferRequest
from service.grpc_api.tensors import read_parameters, read_question, read_step
from tests.api.bundled import digit_rows, manifest_of

CONTENTS = {"BOOL": "bool_contents", "INT32": "int_contents", "INT64": "int64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents"}
Input = ModelInferRequest.InferInputTensor
DIGITS = manifest_of(digit_rows())
ROW = np.arange(28, dtype=np.float32).reshape(1, 1, 28)


def with_tensors(**datatypes: Datatype) -> Manifest:
    """A manifest whose graph takes and gives these tensors, of two axes each."""
    specs = tuple(TensorSpec(name=name, datatype=datatype, shape=(-1, -1)) for name, datatype in datatypes.items())
    return DIGITS.model_copy(update={"inputs": specs, "outputs": specs})


def sequence(**changes: Any) -> Input:
    """The one input of the classifier."""
    return Input(**{"name": "sequence", "datatype": "FP32", "shape": [1, 1, 28], **changes})


def refused(request: ModelInferRequest) -> str:
    with pytest.raises(BadQuestion) as raised:
        read(request)
    return raised.value.detail


def read(request: ModelInferRequest) -> None:
    read_step(read_parameters(request))
    read_question(DIGITS, request)


@given(st.lists(st.sampled_from(sorted(DTYPES)), min_size=1, max_size=5), st.integers(1, 5), st.integers(1, 7), st.integers(0, 2**32))
def test_bytes_and_numbers_of_every_type_are_the_same(types: list[Datatype], rows: int, columns: int, seed: int):
    generator = np.random.default_rng(seed)
    datatypes = {f"x{number}": datatype for number, datatype in enumerate(types)}
    arrays = {name: generator.integers(0, 2, (rows, columns)).astype(DTYPES[datatype]) for name, datatype in datatypes.items()}
    named = [{"name": name, "datatype": datatypes[name], "shape": array.shape} for name, array in arrays.items()]
    raw = ModelInferRequest(inputs=[Input(**one) for one in named], raw_input_contents=[array.tobytes() for array in arrays.values()])
    typed = ModelInferRequest(inputs=[Input(**one, contents=contents(arrays[str(one["name"])], str(one["datatype"]))) for one in named])

    for request in (raw, typed):
        tensors = read_question(with_tensors(**datatypes), request).tensors
        assert list(tensors) == list(arrays)
        for name, array in arrays.items():
            assert tensors[name].dtype == array.dtype
            assert tensors[name].flags.aligned
            assert tensors[name].tolist() == array.tolist()


def contents(array: NDArray[Any], datatype: str) -> InferTensorContents:
    return InferTensorContents(**{CONTENTS[datatype]: array.ravel().tolist()})


def test_nan_is_let_pass_and_an_infinity_is_not():
    nan, infinity = ROW.copy(), ROW.copy()
    nan[0, 0, 3], infinity[0, 0, 3] = np.nan, np.inf

    for array, raw in ((nan, True), (nan, False)):
        assert np.isnan(read_question(DIGITS, asked(array, raw=raw)).tensors["sequence"]).sum() == 1
    for raw in (True, False):
        assert (
            refused(asked(infinity, raw=raw)) == "inputs.0: 'sequence' holds an infinity: send finite numbers, or NaN where one is missing"
        )


def asked(array: NDArray[Any], *, raw: bool) -> ModelInferRequest:
    if raw:
        return ModelInferRequest(inputs=[sequence()], raw_input_contents=[array.tobytes()])
    return ModelInferRequest(inputs=[sequence(contents=contents(array, "FP32"))])


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (ModelInferRequest(), "inputs: input 'sequence' is missing: this model takes sequence"),
        (
            ModelInferRequest(inputs=[sequence()]),
            "inputs.0.contents.fp32_contents: 0 values where shape [1, 1, 28] has 28: send them here or in raw_input_contents",
        ),
        (
            ModelInferRequest(inputs=[sequence()], raw_input_contents=[b"", b""]),
            "raw_input_contents: 2 of them for 1 inputs: send one for each",
        ),
        (
            ModelInferRequest(inputs=[sequence()], raw_input_contents=[b"abc"]),
            "raw_input_contents.0: 3 bytes: FP32 of shape [1, 1, 28] has 112",
        ),
        (
            ModelInferRequest(inputs=[sequence(contents=InferTensorContents(fp32_contents=[1]))], raw_input_contents=[ROW.tobytes()]),
            "inputs.0.contents: its bytes are in raw_input_contents: send one or the other",
        ),
        (
            ModelInferRequest(inputs=[sequence(contents=InferTensorContents(fp64_contents=[1.0] * 28))]),
            "inputs.0.contents: fp64_contents: FP32 goes in fp32_contents",
        ),
        (
            ModelInferRequest(inputs=[sequence(shape=[2**62, 2**62, 28])], raw_input_contents=[b""]),
            "raw_input_contents.0: 0 bytes: FP32 of shape [4611686018427387904, 4611686018427387904, 28] has "
            "2381976568446569244243622252022377480192",
        ),
        (
            ModelInferRequest(inputs=[sequence(shape=[-1, 1, 28])], raw_input_contents=[ROW.tobytes()]),
            "inputs.0.shape: shape [-1, 1, 28]: 'sequence' takes [-1, -1, 28], where -1 is any size from 1",
        ),
        (
            ModelInferRequest(inputs=[sequence(name="image")], raw_input_contents=[ROW.tobytes()]),
            "inputs.0.name: no input 'image': this model takes sequence",
        ),
        (
            ModelInferRequest(inputs=[sequence(), sequence()], raw_input_contents=[ROW.tobytes()] * 2),
            "inputs.1.name: input 'sequence' is here twice",
        ),
        (
            ModelInferRequest(
                inputs=[sequence()],
                raw_input_contents=[ROW.tobytes()],
                outputs=[ModelInferRequest.InferRequestedOutputTensor(name="labels")],
            ),
            "outputs.0.name: no output 'labels': this model gives probabilities",
        ),
        (ModelInferRequest(inputs=[sequence(shape=[1] * 1000)]), "inputs.0.shape: over 16 axes: no model has so many"),
        (ModelInferRequest(inputs=[sequence()] * 1000), "inputs: over 100 tensors: no model has so many"),
        (ModelInferRequest(id="a" * 201, inputs=[sequence()]), "id: over 200 characters: send a shorter one"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_malformed_is_refused_with_what_to_send(request_: ModelInferRequest, words: str):
    assert refused(request_) == words


@pytest.mark.parametrize(
    ("name", "choice", "value", "words"),
    [
        ("timeout", "string_param", "soon", "parameters.timeout: this should be a valid integer"),
        ("timeout", "int64_param", -1, "parameters.timeout: this should be greater than or equal to 0"),
        ("priority", "double_param", 1.5, "parameters.priority: this should be a valid integer"),
        ("sequence_id", "bool_param", True, "parameters.sequence_id: this should be a whole number"),
        ("sequence_start", "bool_param", True, "parameters.sequence_id: which sequence? name it by a number from 1 or by text"),
        ("sequence_index", "int64_param", 0, "parameters.sequence_id: which sequence?"),
    ],
)
def test_a_parameter_of_another_kind_is_refused(name: str, choice: str, value: object, words: str):
    request = ModelInferRequest(inputs=[sequence()], raw_input_contents=[ROW.tobytes()])
    setattr(request.parameters[name], choice, value)

    assert refused(request).startswith(words)


def test_a_parameter_without_a_value_is_none():
    request = ModelInferRequest(inputs=[sequence()], raw_input_contents=[ROW.tobytes()])
    request.parameters["timeout"].SetInParent()

    assert read_parameters(request).timeout == 0


def test_too_many_parameters_are_refused():
    request = ModelInferRequest(inputs=[sequence()], raw_input_contents=[ROW.tobytes()])
    for number in range(101):
        request.inputs[0].parameters[str(number)].bool_param = True

    assert refused(request) == "parameters: over 100 of them: send those that are wanted"


def test_too_many_classes_are_refused():
    request = ModelInferRequest(inputs=[sequence()], raw_input_contents=[ROW.tobytes()])
    request.outputs.add(name="probabilities").parameters["classification"].int64_param = 200_000

    assert refused(request).startswith("outputs.0.parameters.classification: over 100000 classes in one answer")

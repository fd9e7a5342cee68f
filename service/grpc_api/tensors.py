"""Tensors of a request and of an answer: as bytes (`raw_input_contents`) or as numbers (`contents`) in, as bytes out."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from service.contract.golden import DTYPES, Tensors
from service.contract.manifest import Manifest, TensorSpec
from service.errors import BadQuestion
from service.grpc_api.messages import InferParameter, ModelInferRequest, ModelInferResponse
from service.oip.parameters import NO_PARAMETERS, OutputParameters, RequestParameters, asked_step
from service.oip.tensors_in import MAX_TENSORS, NO_SHARED_MEMORY_IN, check_finite, check_size, checked_tensors, from_bytes
from service.oip.tensors_out import Wanted, chosen_outputs, classifications, tensor_bytes, text_bytes, value_names
from service.sequences.step import Step
from service.served_model import ServedModel
from service.tasks.dialogue import QuestionError, Where

MAX_AXES = 16
MAX_PARAMETERS = 100
MAX_ID = 200

_FIELDS = {"BOOL": "bool_contents", "INT32": "int_contents", "INT64": "int64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents"}
"""Datatype -> where its numbers are in `contents`."""

P = TypeVar("P", bound=BaseModel)
_Input = ModelInferRequest.InferInputTensor


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks of a graph."""

    tensors: Tensors
    wanted: list[Wanted]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An output as a request names it."""

    name: str
    parameters: OutputParameters | None


def read_parameters(request: ModelInferRequest) -> RequestParameters:
    """How a request is to be run.

    Raises:
        BadQuestion: a parameter is of another kind, or the request has too many parts.
    """
    try:
        _check_bounds(request)
        return _read(RequestParameters, request.parameters, ("parameters",)) or NO_PARAMETERS
    except QuestionError as error:
        raise BadQuestion.of(error) from error


def read_step(parameters: RequestParameters) -> Step | None:
    """The step that a request is of its sequence; None where it stands for itself.

    Raises:
        BadQuestion: what it says of its sequence does not go together.
    """
    try:
        return asked_step(parameters)
    except QuestionError as error:
        raise BadQuestion.of(error) from error


def read_question(manifest: Manifest, request: ModelInferRequest, *, sequence: bool = False) -> Question:
    """What a request, whose parameters are read, asks of a model; as a step of a sequence it leaves out the states.

    Raises:
        BadQuestion: it cannot be asked this.
    """
    kept = manifest.state if sequence else {}
    try:
        tensors = _tensors(manifest, request, kept)
        asked = [
            _Asked(output.name, _read(OutputParameters, output.parameters, ("outputs", position, "parameters")))
            for position, output in enumerate(request.outputs)
        ]
        rows = len(next(iter(tensors.values())))
        return Question(tensors, chosen_outputs(manifest, asked, rows=rows, binary=True, kept=kept.values()))
    except QuestionError as error:
        raise BadQuestion.of(error) from error


def write_step(answer: ModelInferResponse, step: Step, index: int) -> None:
    """Say in an answer which step of which sequence it is of."""
    if isinstance(step.sequence, str):
        answer.parameters["sequence_id"].string_param = step.sequence
    else:
        answer.parameters["sequence_id"].uint64_param = step.sequence
    answer.parameters["sequence_index"].int64_param = index


def written_answer(model: ServedModel, request: ModelInferRequest, wanted: list[Wanted], outputs: Tensors) -> ModelInferResponse:
    """The answer to a request, each output as bytes."""
    manifest = model.manifest
    answer = ModelInferResponse(model_name=manifest.name, model_version=str(manifest.version), id=request.id)
    datatypes = {spec.name: spec.datatype for spec in manifest.outputs}
    for output in wanted:
        array = outputs[output.name]
        if output.classes:
            rows = classifications(array, output.classes, value_names(manifest, output.name, model.tokenizer))
            answer.outputs.add(name=output.name, datatype="BYTES", shape=[len(rows), len(rows[0])])
            answer.raw_output_contents.append(text_bytes([text for row in rows for text in row]))
        else:
            answer.outputs.add(name=output.name, datatype=datatypes[output.name], shape=array.shape)
            answer.raw_output_contents.append(tensor_bytes(array))
    return answer


def _check_bounds(request: ModelInferRequest) -> None:
    """What follows looks at all of these: none is longer than a model could want."""
    if len(request.inputs) > MAX_TENSORS or len(request.outputs) > MAX_TENSORS:
        raise QuestionError(f"over {MAX_TENSORS} tensors: no model has so many", where=("inputs",))
    if len(request.id) > MAX_ID:
        raise QuestionError(f"over {MAX_ID} characters: send a shorter one", where=("id",))
    said = [request.parameters, *(tensor.parameters for tensor in request.inputs), *(output.parameters for output in request.outputs)]
    if any(len(parameters) > MAX_PARAMETERS for parameters in said):
        raise QuestionError(f"over {MAX_PARAMETERS} of them: send those that are wanted", where=("parameters",))
    for position, tensor in enumerate(request.inputs):
        if len(tensor.shape) > MAX_AXES:
            raise QuestionError(f"over {MAX_AXES} axes: no model has so many", where=("inputs", position, "shape"))
        if "shared_memory_region" in tensor.parameters:
            raise QuestionError(NO_SHARED_MEMORY_IN, where=("inputs", position, "parameters", "shared_memory_region"))


def _tensors(manifest: Manifest, request: ModelInferRequest, kept: Container[str]) -> Tensors:
    raw = request.raw_input_contents
    if not raw:
        return checked_tensors(manifest, request.inputs, _from_contents, kept=kept)
    if len(raw) != len(request.inputs):
        raise QuestionError(f"{len(raw)} of them for {len(request.inputs)} inputs: send one for each", where=("raw_input_contents",))
    chunks = enumerate(raw)

    def array(spec: TensorSpec, tensor: _Input, where: Where) -> NDArray[Any]:
        position, data = next(chunks)
        if tensor.HasField("contents"):
            raise QuestionError("its bytes are in raw_input_contents: send one or the other", where=(*where, "contents"))
        check_size(spec, tensor.shape, len(data), ("raw_input_contents", position))
        return from_bytes(spec, tensor.shape, data, where)

    return checked_tensors(manifest, request.inputs, array, kept=kept)


def _from_contents(spec: TensorSpec, tensor: _Input, where: Where) -> NDArray[Any]:
    field = _FIELDS[spec.datatype]
    others = [found.name for found, _ in tensor.contents.ListFields() if found.name != field]
    if others:
        raise QuestionError(f"{others[0]}: {spec.datatype} goes in {field}", where=(*where, "contents"))
    values = getattr(tensor.contents, field)
    shape = tuple(tensor.shape)
    if len(values) != math.prod(shape):
        message = f"{len(values)} values where shape {list(shape)} has {math.prod(shape)}: send them here or in raw_input_contents"
        raise QuestionError(message, where=(*where, "contents", field))
    array: NDArray[Any] = np.fromiter(values, DTYPES[spec.datatype], len(values)).reshape(shape)
    check_finite(spec, array, where)
    return array


def _read(kind: type[P], parameters: Mapping[str, InferParameter], where: Where) -> P | None:
    if not parameters:
        return None
    said = {name: getattr(value, choice) for name, value in parameters.items() if (choice := value.WhichOneof("parameter_choice"))}
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise QuestionError(wrong["msg"].replace("Input should", "this should", 1), where=(*where, *wrong["loc"][:1])) from error

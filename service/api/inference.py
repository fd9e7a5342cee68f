"""Open Inference Protocol v2: models' metadata, and inference with tensors in JSON or in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from service.api import examples
from service.api.content_coding import MIN_COMPRESSED_BYTES, accepted_coding, compressed
from service.api.deps import Version, answered_by, context_of, model_of, timeout_s
from service.api.hot_route import HotRoute
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, QUESTION_ERRORS, oip_documented
from service.api.protocol import LENGTH_HEADER, InferAnswer, InferBody
from service.api.sequence_examples import BEGIN
from service.api.tensors_in import decode
from service.api.tensors_out import encode, wanted_outputs
from service.contract.golden import Tensors
from service.contract.manifest import Manifest
from service.errors import BadQuestion
from service.oip.metadata import ModelMetadata, model_metadata
from service.oip.parameters import NO_PARAMETERS, asked_step
from service.oip.tensors_out import Wanted
from service.sequences.attempt import Asked
from service.sequences.errors import SEQUENCE_ERRORS
from service.sequences.step import Step
from service.served_model import ServedModel
from service.tasks.dialogue import QuestionError


class ModelReady(BaseModel, defer_build=True):
    """Whether a model answers."""

    name: str = Field(description="The model.")
    ready: bool = Field(description="True: a model that is served is ready.")


hot_router = APIRouter(route_class=HotRoute, tags=["Open Inference Protocol"])
router = APIRouter(route_class=LateRoute, tags=["Open Inference Protocol"])

_questions = (*examples.INFER, BEGIN)
_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(_questions))]
_Question = Annotated[InferBody, BodyParameter(openapi_examples=examples.bodies(_questions))]
_metadata_errors = oip_documented((*MODEL_ERRORS, BadQuestion))
_answers: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The outputs; with bytes among them the JSON is as long as the header `Inference-Header-Content-Length` says.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    **oip_documented((*QUESTION_ERRORS, *SEQUENCE_ERRORS)),
}


@hot_router.post("/v2/models/{name}/infer", response_model=InferAnswer, summary="Run a model on tensors", responses=_answers)
async def infer(request: Request, body: _Question, name: _Name) -> Response:
    """Run a model's graph on tensors in the units of its data.

    Every input is needed, recurrent states included: zeros at a start. With a `sequence_id` they are kept here from step to step.
    In floating-point tensors `null` stands for NaN.
    Tensors may go as bytes behind the JSON, both ways, and bodies may be compressed.
    """
    return await _answer(request, body, model_of(request, name))


@hot_router.post(
    "/v2/models/{name}/versions/{version}/infer",
    response_model=InferAnswer,
    summary="Run one version of a model on tensors",
    responses=_answers,
)
async def infer_with_version(request: Request, body: _Question, name: _Name, version: Version) -> Response:
    """The same with the version that the path says."""
    return await _answer(request, body, model_of(request, name, version), version=int(version))


@router.get("/v2/models/{name}", response_model=ModelMetadata, summary="Inputs and outputs of a model", responses=_metadata_errors)
async def metadata(request: Request, name: _Name) -> ModelMetadata:
    """Tensors of the newest version's graph, and the versions that are served."""
    return _metadata(request, model_of(request, name))


@router.get(
    "/v2/models/{name}/versions/{version}",
    response_model=ModelMetadata,
    summary="Inputs and outputs of one version",
    responses=_metadata_errors,
)
async def metadata_of_version(request: Request, name: _Name, version: Version) -> ModelMetadata:
    """The same for the version that the path says."""
    return _metadata(request, model_of(request, name, version))


@router.get("/v2/models/{name}/ready", response_model=ModelReady, summary="Whether a model answers", responses=_metadata_errors)
async def ready(request: Request, name: _Name) -> ModelReady:
    """200 for a model that is served, 404 for another."""
    return ModelReady(name=model_of(request, name).manifest.name, ready=True)


@router.get(
    "/v2/models/{name}/versions/{version}/ready",
    response_model=ModelReady,
    summary="Whether one version answers",
    responses=_metadata_errors,
)
async def ready_of_version(request: Request, name: _Name, version: Version) -> ModelReady:
    """200 for a version that is served, 404 for another."""
    return ModelReady(name=model_of(request, name, version).manifest.name, ready=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a body asks of a graph."""

    tensors: Tensors
    wanted: list[Wanted]


async def _answer(request: Request, body: InferBody, model: ServedModel, *, version: int | None = None) -> Response:
    parameters = body.parameters or NO_PARAMETERS
    step = _step(body)
    seconds = timeout_s(request, microseconds=parameters.timeout)
    said: dict[str, int | str] = {}
    if step is None:
        asked = _question(model.manifest, body)
        outputs = await model.infer(asked.tensors, seconds, parameters.priority)
    else:
        asked_for = Asked(step, model, lambda manifest: _question(manifest, body, sequence=True), version)
        taken = await context_of(request).sequences.take(asked_for, timeout_s=seconds, priority=parameters.priority)
        answered_by(request, taken.model)
        model, asked, outputs = taken.model, taken.question, taken.outputs
        said = {"sequence_id": step.sequence, "sequence_index": taken.index}
    data, json_length = encode(model.manifest, body, asked.wanted, outputs, tokenizer=model.tokenizer, parameters=said)
    headers = {} if json_length is None else {LENGTH_HEADER: str(json_length)}
    if len(data) >= MIN_COMPRESSED_BYTES and (coding := accepted_coding(request.scope["headers"])):
        data = await compressed(data, coding)
        headers |= {"Content-Encoding": coding, "Vary": "Accept-Encoding"}
    return Response(data, headers=headers, media_type="application/json" if json_length is None else "application/octet-stream")


def _step(body: InferBody) -> Step | None:
    try:
        return asked_step(body.parameters or NO_PARAMETERS)
    except QuestionError as error:
        raise BadQuestion.of(error) from error


def _question(manifest: Manifest, body: InferBody, *, sequence: bool = False) -> _Asked:
    """The body as a question to a model, which as a step of a sequence leaves out what is kept here."""
    kept = manifest.state if sequence else {}
    try:
        wanted = wanted_outputs(manifest, body, kept=kept.values())
        return _Asked(decode(manifest, body, kept=kept), wanted)
    except QuestionError as error:
        raise BadQuestion.of(error) from error


def _metadata(request: Request, model: ServedModel) -> ModelMetadata:
    return model_metadata(model, request.app.context.registry.versions(model.manifest.name))

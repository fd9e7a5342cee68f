"""Where sequences stand: taken out, put back in this or another replica, and ended without a step."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.openapi.models import Example
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from service.api.body import read_body
from service.api.deps import context_of, timeout_s
from service.api.examples import names
from service.api.late_route import LateRoute
from service.api.problem import oip_documented
from service.api.sequence_examples import BEGIN, SEQUENCE
from service.errors import BadQuestion, BodyTooLarge, DeadlineExceeded, MalformedBody, ModelNotFound, UnreadCoding
from service.oip.parameters import MAX_SEQUENCE_ID
from service.sequences.errors import SEQUENCE_ERRORS
from service.sequences.standing import Key, Standing

BYTES = "application/octet-stream"


class SequenceTold(BaseModel, defer_build=True):
    """Where a sequence stands."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str = Field(description="The model.")
    model_version: str = Field(description="The version that it began on.")
    sequence_id: str = Field(description="The sequence.")
    next_index: int = Field(description="The `sequence_index` of its next step.")


router = APIRouter(route_class=LateRoute, tags=["Open Inference Protocol"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=names((BEGIN,)))]
_Sequence = Annotated[
    str,
    Path(
        description="A sequence's id, a number as text.",
        min_length=1,
        max_length=MAX_SEQUENCE_ID,
        openapi_examples={"of the example of inference": Example(value=SEQUENCE)},
    ),
]
_PATH = "/v2/models/{name}/sequences/{sequence:path}"
_errors = (ModelNotFound, BadQuestion, DeadlineExceeded, *SEQUENCE_ERRORS)
_binary = {"schema": {"type": "string", "format": "binary"}}
_export: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A file of safetensors: the states around the last step, and of which graph they are.",
        "content": {BYTES: _binary},
    },
    **oip_documented(_errors),
}


@router.get(_PATH, response_class=Response, summary="Take out where a sequence stands", responses=_export)
async def export(request: Request, name: _Name, sequence: _Sequence) -> Response:
    """Bytes that `PUT` puts back, in any replica that serves this version of the model; the sequence stays as it is."""
    data = await context_of(request).sequences.export(Key(name, sequence), timeout_s=timeout_s(request))
    return Response(data, media_type=BYTES)


@router.put(
    _PATH,
    response_model=SequenceTold,
    summary="Put a sequence back",
    responses=oip_documented((*_errors, MalformedBody, BodyTooLarge, UnreadCoding)),
    openapi_extra={"requestBody": {"required": True, "description": "What `GET` gave.", "content": {BYTES: _binary}}},
)
async def restore(request: Request, name: _Name, sequence: _Sequence) -> SequenceTold:
    """Go on from where another sequence stood; under another id that is a copy. What stood there gives way."""
    context = context_of(request)
    settings = context.settings
    data = await read_body(request.scope, request.receive, limit=settings.max_body_bytes, timeout_s=settings.timeout_s)
    key = Key(name, sequence)
    return _told(key, await context.sequences.restore(key, data, timeout_s=timeout_s(request)))


@router.delete(_PATH, response_model=SequenceTold, summary="End a sequence", responses=oip_documented(_errors))
async def forget(request: Request, name: _Name, sequence: _Sequence) -> SequenceTold:
    """End a sequence without a step."""
    key = Key(name, sequence)
    return _told(key, await context_of(request).sequences.forget(key, timeout_s=timeout_s(request)))


def _told(key: Key, standing: Standing) -> SequenceTold:
    return SequenceTold(model_name=key.model, model_version=str(standing.version), sequence_id=key.sequence, next_index=standing.steps)

"""Inference, one request at a time or many on a stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from grpc.aio import EOF

from service.errors import ShuttingDown
from service.grpc_api.calls import Call, Context
from service.grpc_api.ending import Ending
from service.grpc_api.messages import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from service.grpc_api.status import Refusal
from service.grpc_api.tensors import read_parameters, read_question, read_step, write_step, written_answer
from service.lifecycle.registry import ModelRegistry
from service.oip.reference import version_number
from service.sequences.attempt import Asked
from service.sequences.sequences import Sequences
from service.served_model import ServedModel
from service.settings import Settings

STREAM_IN_FLIGHT = 32
"""Requests of one stream that are worked on at the same time; more are not read."""
FINAL = "triton_final_response"
"""Parameter by which Triton's clients know that a request has no more answers."""


@dataclass(frozen=True, slots=True)
class Inference:
    """Answers from the models of a registry."""

    registry: ModelRegistry
    settings: Settings
    sequences: Sequences

    async def infer(self, request: ModelInferRequest, left_s: float | None) -> ModelInferResponse:
        """The outputs of a model's graph."""
        model = found_model(self.registry, request.model_name, request.model_version)
        parameters = read_parameters(request)
        step = read_step(parameters)
        limits = (self.settings.timeout_s, left_s, parameters.timeout / 1_000_000 or None)
        timeout_s = min(limit for limit in limits if limit is not None)
        if step is None:
            question = read_question(model.manifest, request)
            outputs = await model.infer(question.tensors, timeout_s, parameters.priority)
            return written_answer(model, request, question.wanted, outputs)
        version = version_number(request.model_version) if request.model_version else None
        asked = Asked(step, model, lambda manifest: read_question(manifest, request, sequence=True), version)
        taken = await self.sequences.take(asked, timeout_s=timeout_s, priority=parameters.priority)
        answer = written_answer(taken.model, request, taken.question.wanted, taken.outputs)
        write_step(answer, step, taken.index)
        return answer


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests as they come, answered in their order while later ones are worked on; what goes wrong with one is its answer.

    When the service stops, what was read is answered, and no more is read.
    """

    call: Call[ModelInferRequest, ModelInferResponse]
    ending: Ending

    async def handle(self, _requests: object, context: Context) -> None:
        """Answer until the caller has no more to ask."""
        pending: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(STREAM_IN_FLIGHT)
        async with asyncio.TaskGroup() as group:
            group.create_task(_write(pending, context))
            while isinstance(data := await self._next(context), bytes):
                await pending.put(group.create_task(self._answer(data, context)))
            await pending.put(None)
        if data is not EOF:
            await Refusal.of(ShuttingDown()).end(context)

    async def _next(self, context: Context) -> object:
        """The next request; EOF when there will be none, None when the service stops."""
        reading = asyncio.ensure_future(context.read())
        stopped = asyncio.ensure_future(self.ending.begun.wait())
        try:
            await asyncio.wait((reading, stopped), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            reading.cancel()
            stopped.cancel()

    async def _answer(self, data: bytes, context: Context) -> bytes:
        outcome = await self.call.outcome(data, context.time_remaining())
        return _part(outcome, data).SerializeToString()


def found_model(registry: ModelRegistry, name: str, version: str) -> ServedModel:
    """The model that answers to this name, `model` or `model@label`, and this version, where one is named.

    Raises:
        ModelNotFound, VersionNotFound, LabelNotFound: there is none.
        BadQuestion: no version, or a label and a version.
    """
    return registry.resolve(name, version_number(version) if version else None)


async def _write(pending: asyncio.Queue[asyncio.Task[bytes] | None], context: Context) -> None:
    while (answer := await pending.get()) is not None:
        await context.write(await answer)


def _part(outcome: ModelInferResponse | Refusal, data: bytes) -> ModelStreamInferResponse:
    if isinstance(outcome, Refusal):
        part = ModelStreamInferResponse(error_message=outcome.details, infer_response=ModelInferResponse(id=_id(data)))
    else:
        part = ModelStreamInferResponse(infer_response=outcome)
    part.infer_response.parameters[FINAL].bool_param = True
    return part


def _id(data: bytes) -> str:
    """By which a caller knows what of theirs went wrong; nothing where that cannot be read."""
    try:
        return ModelInferRequest.FromString(data).id
    except DecodeError:
        return ""

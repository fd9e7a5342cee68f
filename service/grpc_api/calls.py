"""A call: bytes -> request -> answer -> bytes, counted as a request over HTTP is, and what goes wrong as a status."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message
from grpc.aio import ServicerContext

from service.errors import InferenceFailed, MalformedBody, ServiceError
from service.grpc_api.status import Refusal
from service.observe.telemetry import Telemetry

logger = logging.getLogger(__name__)

SERVICE = "inference.GRPCInferenceService"

R = TypeVar("R", bound=Message)
A = TypeVar("A", bound=Message)
Context = ServicerContext[bytes, bytes]
Answer = Callable[[R, float | None], Awaitable[A]]
"""Answers a request whose caller waits so many seconds; None: for as long as it takes."""


@dataclass(frozen=True, slots=True)
class Call(Generic[R, A]):
    """One call of the service, by its name; `request` is the type of what it is asked."""

    name: str
    request: type[R]
    answer: Answer[R, A]
    telemetry: Telemetry

    async def handle(self, data: bytes, context: Context) -> bytes:
        """Answer once; whatever goes wrong ends the call with its status."""
        outcome = await self.outcome(data, context.time_remaining())
        if isinstance(outcome, Refusal):
            await outcome.end(context)
        return outcome.SerializeToString()

    async def outcome(self, data: bytes, left_s: float | None) -> A | Refusal:
        """The answer or what went wrong, counted; a caller who leaves is not."""
        started = perf_counter()
        asked: dict[str, object] = {}
        try:
            request = _parsed(self.request, data)
            asked = _model(request)
            answer = await self.answer(request, left_s)
        except ServiceError as error:
            return self._refused(error, asked, started)
        except Exception:
            logger.exception("%s failed", self.name)
            return self._refused(InferenceFailed(str(asked.get("name", "the service"))), asked, started)
        self._count(asked, 200, started)
        return answer

    def _refused(self, error: ServiceError, asked: dict[str, object], started: float) -> Refusal:
        self.telemetry.reject(error.slug, asked)
        self._count(asked, error.status, started)
        return Refusal.of(error)

    def _count(self, asked: dict[str, object], status: int, started: float) -> None:
        self.telemetry.answered(f"/{SERVICE}/{self.name}", asked, status, perf_counter() - started)


def at_once(answer: Callable[[R], A]) -> Answer[R, A]:
    """What waits for nothing as what might."""

    async def answered(request: R, _left_s: float | None) -> A:
        return answer(request)

    return answered


def _parsed(kind: type[R], data: bytes) -> R:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise MalformedBody(f"these bytes are no {kind.DESCRIPTOR.full_name}: send what open_inference.proto says") from error


def _model(request: Message) -> dict[str, object]:
    """Name and version of the model that a request is about, as the paths of HTTP have them."""
    fields = request.DESCRIPTOR.fields_by_name
    pairs = (("name", "model_name"), ("name", "name"), ("version", "model_version"), ("version", "version"))
    return {label: said for label, field in pairs if field in fields and (said := getattr(request, field))}

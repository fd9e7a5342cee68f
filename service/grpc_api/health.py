"""`grpc.health.v1`, by which balancers and probes know whether the service, or one model of it, is to be sent requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from service.errors import MalformedBody, ServiceError, ShuttingDown
from service.grpc_api.calls import SERVICE, Context
from service.grpc_api.ending import Ending
from service.grpc_api.status import Refusal
from service.lifecycle.registry import ModelRegistry

HEALTH = "grpc.health.v1.Health"
LOOK_EVERY_S = 0.1
"""How soon one who watches is told that a model has come or gone."""
LOOK_APART_S = 0.001
"""So much later with each who watches: however many they are, looking for them takes no time from requests."""


@dataclass(slots=True)
class Health:
    """The state of the service (an empty name, or that of one of its two gRPC services) and of each model (`model` or `model@label`)."""

    registry: ModelRegistry
    ending: Ending
    watchers: int = 0

    async def check(self, data: bytes, context: Context) -> bytes:
        """The state now; NOT_FOUND for what nobody knows."""
        name = await _service(data, context)
        answer = self._answer(name)
        if answer.status == HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"neither a service nor a model that is served: {name[:200]!r}")
        written: bytes = answer.SerializeToString()
        return written

    async def watch(self, data: bytes, context: Context) -> None:
        """The state now and whenever it has changed, until the service stops."""
        name = await _service(data, context)
        self.watchers += 1
        try:
            told = None
            while not self.ending.announced.is_set():
                answer = self._answer(name)
                if answer != told:
                    await context.write(answer.SerializeToString())
                    told = answer
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.ending.announced.wait(), LOOK_EVERY_S + self.watchers * LOOK_APART_S)
            await context.write(self._answer(name).SerializeToString())
            await self.ending.begun.wait()
        finally:
            self.watchers -= 1
        await Refusal.of(ShuttingDown()).end(context)

    def _answer(self, name: str) -> HealthCheckResponse:
        if name not in ("", SERVICE, HEALTH):
            try:
                self.registry.resolve(name)
            except ServiceError:
                return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        return HealthCheckResponse(status=HealthCheckResponse.SERVING if self.registry.ready else HealthCheckResponse.NOT_SERVING)


async def _service(data: bytes, context: Context) -> str:
    """Which state is asked for."""
    try:
        name: str = HealthCheckRequest.FromString(data).service
    except DecodeError:
        await Refusal.of(MalformedBody("these bytes are no grpc.health.v1.HealthCheckRequest")).end(context)
    return name


def health_service(health: Health) -> grpc.GenericRpcHandler:
    """The service that tells it."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Check": grpc.unary_unary_rpc_method_handler(health.check),
        "Watch": grpc.unary_stream_rpc_method_handler(health.watch),
    }
    return grpc.method_handlers_generic_handler(HEALTH, handlers)

"""A gRPC server whose model waits for the test: what is in its queue stays there until the gate is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np

from service.errors import ModelNotFound, ShuttingDown
from service.grpc_api.messages import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from service.grpc_api.server import GrpcServer
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.sequences.sequences import Sequences
from service.served_model import ServedModel
from service.settings import Settings
from tests.api.gated import GatedService, gated

SERVICE = "/inference.GRPCInferenceService/"
NAME = "digit-rows"


@dataclass(slots=True)
class OneModel:
    """A registry with one model that is not served over HTTP as well."""

    model: ServedModel
    ready: bool = True
    broken: bool = False

    def resolve(self, reference: str, _version: int | None = None) -> ServedModel:
        if self.broken:
            raise RuntimeError("secret")
        if reference != NAME:
            raise ModelNotFound(reference, available=[NAME])
        return self.model

    def announce_stop(self) -> None:
        self.ready = False

    def load(self, _name: str) -> None:
        raise ShuttingDown


@dataclass(slots=True)
class GatedGrpc:
    """The server, what holds its model up, and a channel to it."""

    server: GrpcServer
    registry: OneModel
    service: GatedService
    channel: grpc.aio.Channel
    telemetry: Telemetry = field(default_factory=Telemetry.create)

    def call(self, name: str) -> Any:
        """A call with bytes both ways."""
        return self.channel.unary_unary(SERVICE + name)

    def infer(self, name: str = "", *, priority: int = 0, timeout_us: int = 0, timeout: float | None = None) -> Any:
        """Ask the model about one row; `timeout` is the deadline of the call."""
        ask = self.channel.unary_unary(
            SERVICE + "ModelInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )
        return ask(row(name, priority=priority, timeout_us=timeout_us), timeout=timeout)

    def stream(self) -> Any:
        """A stream of questions and answers."""
        ask = self.channel.stream_stream(
            SERVICE + "ModelStreamInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelStreamInferResponse.FromString,
        )
        return ask()


@asynccontextmanager
async def gated_grpc(root: Path, **settings: Any) -> AsyncIterator[GatedGrpc]:
    """A server with the classifier of this folder alone, its gate closed, batches of one row."""
    async with gated(root, NAME, max_queue_rows=settings.get("max_queue_rows", 1024)) as service:
        registry = OneModel(service.model)
        telemetry = Telemetry.create()
        served = cast(ModelRegistry, registry)
        server = GrpcServer(served, Settings(models=root, grpc_port=0, **settings), telemetry, Sequences(served, None))
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                yield GatedGrpc(server, registry, service, channel, telemetry)
        finally:
            service.backend.gate.set()
            await server.stop()


def row(name: str = "", *, priority: int = 0, timeout_us: int = 0, model: str = NAME) -> ModelInferRequest:
    """A question about one row of an image."""
    request = ModelInferRequest(model_name=model, id=name)
    request.inputs.add(name="sequence", datatype="FP32", shape=[1, 1, 28])
    request.raw_input_contents.append(np.full(28, 60, np.float32).tobytes())
    if priority:
        request.parameters["priority"].int64_param = priority
    if timeout_us:
        request.parameters["timeout"].int64_param = timeout_us
    return request

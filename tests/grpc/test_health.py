"""`grpc.health.v1` with the stub that grpcio-health-checking ships: checked, watched, and not serving from the announced end on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tritonclient.grpc import InferenceServerClient

from .gated import gated_grpc

SERVING, NOT_SERVING, UNKNOWN = (HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING, HealthCheckResponse.SERVICE_UNKNOWN)


@pytest.fixture(scope="module")
def health(grpc_address: str) -> HealthStub:
    return HealthStub(grpc.insecure_channel(grpc_address))


@pytest.mark.parametrize(
    "name", ["", "inference.GRPCInferenceService", "grpc.health.v1.Health", "digit-rows", "energy-load@older", "energy-load@stable"]
)
def test_services_and_models_are_serving(health: HealthStub, name: str):
    assert health.Check(HealthCheckRequest(service=name), timeout=20).status == SERVING


@pytest.mark.parametrize("name", ["none", "broken", "energy-load@newer", "digit-rows@", "inference.Other"])
def test_what_is_not_served_is_not_found(health: HealthStub, name: str):
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(HealthCheckRequest(service=name), timeout=20)

    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == f"neither a service nor a model that is served: {name!r}"


def test_one_who_watches_is_told_when_a_model_goes_and_comes_back(open_grpc_address: str):
    with grpc.insecure_channel(open_grpc_address) as channel, InferenceServerClient(open_grpc_address) as client:
        watched = HealthStub(channel).Watch(HealthCheckRequest(service="next-word-en"), timeout=20)
        told = [next(watched).status]
        client.unload_model("next-word-en")
        told.append(next(watched).status)
        client.load_model("next-word-en")
        told.append(next(watched).status)
        watched.cancel()

    assert told == [SERVING, UNKNOWN, SERVING]


def test_one_who_watches_what_nobody_knows_is_told_so(health: HealthStub):
    watched = health.Watch(HealthCheckRequest(service="none"), timeout=20)

    assert next(watched).status == UNKNOWN
    watched.cancel()


@pytest.mark.parametrize("call", ["Check", "Watch"])
def test_bytes_that_are_no_message_are_refused(grpc_address: str, call: str):
    with grpc.insecure_channel(grpc_address) as channel:
        ask = getattr(channel, {"Check": "unary_unary", "Watch": "unary_stream"}[call])(f"/grpc.health.v1.Health/{call}")
        with pytest.raises(grpc.RpcError) as raised:
            list([ask(b"\xff", timeout=20)] if call == "Check" else ask(b"\xff", timeout=20))

    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_from_the_announced_end_on_nothing_is_serving_but_all_is_answered(grpc_models: Path):
    async def announce() -> tuple[list[int], int, bytes, grpc.StatusCode, str]:
        async with gated_grpc(grpc_models, stop_delay_s=3600) as served:
            served.service.backend.gate.set()
            health = HealthStub(served.channel)
            watched = health.Watch(HealthCheckRequest(service="digit-rows"))
            told = [(await watched.read()).status]
            served.server.announce_stop()
            told.append((await watched.read()).status)
            checked = (await health.Check(HealthCheckRequest())).status
            answered = (await served.infer("late")).id
            await served.server.stop()
            return told, checked, answered, await watched.code(), await watched.details()

    assert asyncio.run(announce()) == (
        [SERVING, NOT_SERVING],
        NOT_SERVING,
        "late",
        grpc.StatusCode.UNAVAILABLE,
        "the service is stopping: send this to another replica, or again later",
    )

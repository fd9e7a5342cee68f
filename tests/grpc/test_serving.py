"""`carousel serve --grpc-port` as processes of their own, on real sockets."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from service.__main__ import main
from service.errors import StartupError
from service.grpc_api.serving import grpc_beside, grpc_port_held
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.sequences.sequences import Sequences
from service.settings import Settings
from tests.engine.test_serve import serving, stopped


@contextmanager
def serving_both(models: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], httpx.URL, str]]:
    """A server, where it listens for HTTP, and where for gRPC."""
    with serving(models, "--grpc-port", "0", *flags) as (process, address):
        assert process.stdout is not None
        found = re.fullmatch(r"and over gRPC on (127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert found is not None
        yield process, address, found[1]


def sequence() -> list[triton.InferInput]:
    made = triton.InferInput("sequence", [1, 1, 3], "FP32")
    made.set_data_from_numpy(np.array([[[0, 1, 0]]], np.float32))
    return [made]


def test_http_and_grpc_answer_from_the_same_models_and_count_together(tiny_models: Path):
    question = {"inputs": [{"name": "sequence", "datatype": "FP32", "shape": [1, 1, 3], "data": [0, 1, 0]}]}
    with serving_both(tiny_models) as (process, http, where):
        with triton.InferenceServerClient(where) as client:
            over_grpc = client.infer("tiny-classes", sequence()).as_numpy("probabilities")
            over_http = httpx.post(f"{http}/v2/models/tiny-classes/infer", json=question, timeout=20).json()["outputs"][0]["data"]
            counted = client.get_inference_statistics("tiny-classes", "2").model_stats[0].inference_count
        metrics = httpx.get(f"{http}/metrics", timeout=20).text
        code, _ = stopped(process, signal.SIGTERM)

    assert over_grpc.ravel().tolist() == pytest.approx(over_http)
    assert counted == 2
    for route in ("/inference.GRPCInferenceService/ModelInfer", "/v2/models/{name}/infer"):
        assert f'carousel_requests_total{{model="tiny-classes",route="{route}",status="200",version=""}} 1.0' in metrics
    assert code == 0


def test_a_server_told_to_stop_says_so_at_once_and_ends_its_watchers_and_streams(tiny_models: Path):
    with serving_both(tiny_models, "--stop-delay-s", "0.3") as (process, _, where), grpc.insecure_channel(where) as channel:
        watched = HealthStub(channel).Watch(HealthCheckRequest(service="tiny-words"), timeout=20)
        told = [next(watched).status]
        process.send_signal(signal.SIGTERM)
        told.append(next(watched).status)
        with pytest.raises(grpc.RpcError) as raised:
            next(watched)
        process.communicate(timeout=20)

    assert told == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert process.returncode == 0


def test_workers_share_one_port_and_add_up_what_they_count(tiny_models: Path):
    with serving_both(tiny_models, "--workers", "2") as (process, http, where):
        listeners: set[int] = set()
        while len(listeners) < 2:  # a worker is there a while after the other
            time.sleep(0.05)
            listeners = {pid for pid in children(process.pid) if listens(pid, port=int(where.rpartition(":")[2]))}
        labels = [ask_alone(where) for _ in range(12)]
        while httpx.get(f"{http}/v2/models/tiny-classes/versions/2/stats", timeout=20).json()["model_stats"][0]["inference_count"] != 12:
            time.sleep(0.05)  # whichever worker is asked, it soon knows of the other's
        code, _ = stopped(process, signal.SIGTERM)

    assert labels == [1] * 12
    assert code == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_stops_the_service_with_2(tiny_models: Path, workers: str, capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as one has it who would share
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = main(["serve", "--models", str(tiny_models), "--port", "0", "--grpc-port", str(port), "--workers", workers])

    assert code == 2
    error = f"carousel: --grpc-port {port} cannot be listened on at 127.0.0.1: choose another, or stop what has it\n"
    assert capsys.readouterr().err.endswith(error)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_lacks_grpc_says_what_to_install(
    tiny_models: Path, workers: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "service.grpc_api.server", None)  # as where what it imports is not there

    assert main(["serve", "--models", str(tiny_models), "--port", "0", "--grpc-port", "0", "--workers", workers]) == 2
    assert capsys.readouterr().err.endswith("carousel: --grpc-port needs gRPC: `pip install 'carousel-serve[grpc]'`, or start without it\n")


def test_one_server_alone_shares_its_port_with_nobody(tiny_models: Path):
    async def twice() -> None:
        registry, telemetry = ModelRegistry(Settings(models=tiny_models)), Telemetry.create()
        sequences = Sequences(registry, None)
        async with grpc_beside(registry, Settings(models=tiny_models, grpc_port=0), telemetry, sequences) as first:
            assert first is not None
            async with grpc_beside(registry, Settings(models=tiny_models, grpc_port=first.port), telemetry, sequences):
                pass

    with pytest.raises(StartupError, match=r"cannot be listened on at 127\.0\.0\.1"):
        asyncio.run(twice())


def test_a_held_port_is_shared_with_those_who_share_and_with_nobody_else(tiny_models: Path):
    with grpc_port_held(Settings(models=tiny_models, grpc_port=0, workers=2)) as port, socket.socket() as worker, socket.socket() as other:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(("127.0.0.1", port))
        with pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", port))


def test_what_goes_wrong_while_a_port_is_held_is_not_blamed_on_it(tiny_models: Path):
    with pytest.raises(OSError, match="No space left"), grpc_port_held(Settings(models=tiny_models, grpc_port=0)):
        raise OSError("No space left on device")


def test_without_a_port_there_is_no_grpc(tiny_models: Path):
    settings = Settings(models=tiny_models)

    async def served() -> bool:
        registry = ModelRegistry(settings)
        async with grpc_beside(registry, settings, Telemetry.create(), Sequences(registry, None)) as server:
            return server is not None

    with grpc_port_held(settings) as port:
        assert port is None
    assert asyncio.run(served()) is False


def ask_alone(where: str) -> int:
    """The class of the sequence, over a connection of its own."""
    with triton.InferenceServerClient(where, channel_args=[("grpc.use_local_subchannel_pool", 1)]) as client:
        return int(client.infer("tiny-classes", sequence(), client_timeout=20).as_numpy("probabilities").argmax())


def children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def listens(pid: int, *, port: int) -> bool:
    """Whether a process listens on this port."""
    sockets = {f"socket:[{inode}]" for inode in listening(port)}
    return any(opened(link) in sockets for link in Path(f"/proc/{pid}/fd").iterdir())


def opened(link: Path) -> str:
    """What a process has open there, nothing where it was just closed."""
    try:
        return link.readlink().name
    except FileNotFoundError:
        return ""


def listening(port: int) -> Iterator[str]:
    """Inodes of what listens on this port, whoever does."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if local.endswith(f":{port:04X}") and state == "0A":
                yield inode

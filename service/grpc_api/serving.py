"""gRPC beside HTTP, where it is asked for: what it needs is an optional package, which is imported here and nowhere else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from service.errors import StartupError
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.settings import Settings

if TYPE_CHECKING:
    from service.grpc_api.server import GrpcServer
    from service.sequences.sequences import Sequences


@asynccontextmanager
async def grpc_beside(
    registry: ModelRegistry, settings: Settings, telemetry: Telemetry, sequences: Sequences
) -> AsyncIterator[GrpcServer | None]:
    """Inside, the models are served over gRPC; None, and nothing is served, where no port is set for it.

    Leaving it finishes what is in flight.

    Raises:
        StartupError: gRPC is not installed, or its port cannot be listened on.
    """
    if settings.grpc_port is None:
        yield None
        return
    server = _server_type()(registry, settings, telemetry, sequences)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def grpc_port_held(settings: Settings) -> Iterator[int | None]:
    """The port for gRPC, which inside only those may listen on who share it, as several workers do; a free one where 0 is set.

    None where there is to be none.

    Raises:
        StartupError: gRPC is not installed, or the port cannot be listened on.
    """
    if settings.grpc_port is None:
        yield None
        return
    _server_type()
    try:
        held = _bound(settings.host, settings.grpc_port)
    except OSError as error:
        raise cannot_listen(settings) from error
    with held:
        yield held.getsockname()[1]


def cannot_listen(settings: Settings) -> StartupError:
    """The error of a port that is taken, or an address that is not of this machine."""
    return StartupError(f"--grpc-port {settings.grpc_port} cannot be listened on at {settings.host}: choose another, or stop what has it")


def _server_type() -> type[GrpcServer]:
    try:
        from service.grpc_api.server import GrpcServer  # here, as gRPC is optional and takes a while to import
    except ModuleNotFoundError as error:
        raise StartupError("--grpc-port needs gRPC: `pip install 'carousel-serve[grpc]'`, or start without it") from error
    return GrpcServer


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the port and does not listen on it: what comes goes to those who do."""
    kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(kind) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)  # this fails where anybody listens, those who would share included
        found = alone.getsockname()
    shared = socket.socket(kind)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind(found)
    return shared

"""The gRPC server: both services on a port of their own, on the event loop that everything else runs on."""

from __future__ import annotations

import asyncio

import grpc

from service.grpc_api.ending import Ending
from service.grpc_api.health import Health, health_service
from service.grpc_api.inference_service import inference_service
from service.grpc_api.serving import cannot_listen
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.sequences.sequences import Sequences
from service.settings import Settings

MAX_CALLS = 4096
"""On one connection at the same time; with more its client waits."""


class GrpcServer:
    """Serves the models of a registry from `start` to `stop`, which are awaited on the same event loop."""

    def __init__(self, registry: ModelRegistry, settings: Settings, telemetry: Telemetry, sequences: Sequences) -> None:
        self.port = 0
        """Where it listens, once it does."""
        self._registry = registry
        self._settings = settings
        self._telemetry = telemetry
        self._sequences = sequences
        self._ending = Ending()
        self._stopping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen on `grpc_port`, a free one where that is 0.

        Raises:
            StartupError: the port is taken, or the address is not of this machine.
        """
        settings = self._settings
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_concurrent_streams", MAX_CALLS),
                ("grpc.so_reuseport", int(settings.workers > 1)),  # workers share a port; one alone does not, so that no other takes half
            )
        )
        inference = inference_service(self._registry, settings, self._telemetry, self._sequences, self._ending)
        self._server.add_generic_rpc_handlers((inference, health_service(Health(self._registry, self._ending))))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            self.port = self._server.add_insecure_port(f"{host}:{settings.grpc_port}")
        except RuntimeError as error:
            raise cannot_listen(settings) from error
        self._loop = asyncio.get_running_loop()
        await self._server.start()

    def announce_stop(self) -> None:
        """Be ready no longer, and begin to stop in `stop_delay_s` seconds; from any thread, and a handler of signals."""
        self._registry.announce_stop()
        self._loop.call_soon_threadsafe(self._announced)

    async def stop(self) -> None:
        """Begin to stop, if that has not begun, and finish what is in flight within `drain_s` seconds from then."""
        await self._begin_to_stop()

    def _announced(self) -> None:
        self._ending.announced.set()
        self._loop.call_later(self._settings.stop_delay_s, self._begin_to_stop)

    def _begin_to_stop(self) -> asyncio.Task[None]:
        if self._stopping is None:
            self._registry.announce_stop()
            self._ending.announced.set()
            self._ending.begun.set()
            self._stopping = self._loop.create_task(self._server.stop(self._settings.drain_s))
        return self._stopping

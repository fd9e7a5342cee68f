"""`carousel serve`: one process that answers, or several that share a port."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from service import __version__
from service.api.bounded_http import BoundedHttp
from service.errors import StartupError
from service.freed_memory import give_back_code, give_back_freed_memory, made_to_stay
from service.grpc_api.serving import grpc_port_held
from service.lifecycle.registry import ModelRegistry
from service.observe.log_lines import configure_logging
from service.observe.telemetry import Telemetry
from service.observe.tracing import open_tracing
from service.open_files import allow_open_files
from service.personal.opening import open_words
from service.sequences.opening import open_store
from service.settings import Settings

if TYPE_CHECKING:
    from service.api.dispatch import Application

IN_MEMORY = "/dev/shm"  # noqa: S108 - a new folder with a random name is made in it, which only its owner may enter
"""Where workers share what they count: it can be written where the disk cannot."""


def prepared(settings: Settings) -> Callable[[], None]:
    """Load what is to be served; the function returned serves until SIGTERM or SIGINT, and then finishes what is in flight.

    Raises:
        StartupError: it cannot be served.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _drained)
    allow_open_files()
    give_back_freed_memory()
    if settings.workers > 1:
        return partial(_serve_with_workers, settings)
    with grpc_port_held(settings):
        pass  # here, so that what stops it is said plainly, before models are loaded
    return _Server(_loaded_app(settings), settings).run


def worker_app() -> Application:
    """The application of a worker process, whose settings its parent has put into the environment."""
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    settings = Settings()
    configure_logging(settings.log_level, settings.log_format)
    give_back_freed_memory()
    try:
        with made_to_stay():
            return _loaded_app(settings)
    except StartupError as error:  # the parent found nothing, but that was earlier
        raise SystemExit(f"carousel: {error}") from error


def _loaded_app(settings: Settings) -> Application:
    """The application with its models: they are loaded while the rest is imported, since the one is mostly not Python's and the other is.

    Raises:
        StartupError: as `ModelRegistry.load_all` and `create_app`.
    """
    registry = ModelRegistry(settings, Telemetry.create(settings.worker_folder))
    with ThreadPoolExecutor(1, "start") as pool:
        loading = pool.submit(registry.load_all)
        from service.app import create_app  # here: what only watches over workers needs no FastAPI, which is slow to import

        app = create_app(settings, registry=registry)
        loading.result()
    give_back_code()
    return app


def _end_with_parent() -> None:
    """Drain and end where the parent was killed: an orphan would hold the port, and nobody would replace it."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class _Server(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, app: Application, settings: Settings) -> None:
        super().__init__(_server_config(app, settings))
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; then a line on standard output, and one for gRPC where that is served."""
        await super().startup(sockets)
        if self.started:
            _say_where(self.servers[0].sockets[0], grpc_port=self._app.state.grpc_port)


def _serve_with_workers(settings: Settings) -> None:
    checked = ModelRegistry(settings.model_copy(update={"repository_mode": "none"}))
    checked.load_all()  # what stops a worker stops the service here, and is said plainly
    checked.close()
    if tracing := open_tracing(settings):  # the same
        tracing.close()
    open_store(settings)  # the same; it connects to nothing yet
    open_words(settings)  # the same
    shared = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
    with grpc_port_held(settings) as grpc_port, tempfile.TemporaryDirectory(prefix="carousel-", dir=shared) as folder:
        config = _server_config("service.serving:worker_app", settings)
        listening = config.bind_socket()
        listening.listen(config.backlog)
        _say_where(listening, grpc_port=grpc_port)
        told = settings.model_copy(update={"worker_folder": Path(folder), "grpc_port": grpc_port})
        os.environ.update(told.environment())  # for the workers, those that replace others included
        Multiprocess(config, [listening]).run()


def _server_config(app: Application | str, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        lifespan="on",
        ws="none",
        http=BoundedHttp,
        log_config=None,
        access_log=False,  # the app has its own
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_s,
    )


def _drained(_number: int, _frame: object) -> None:
    """Do nothing: uvicorn has its own handler while it serves, and raises the signal again once it has drained."""


def _say_where(listening: socket.socket, *, grpc_port: int | None = None) -> None:
    host, port = listening.getsockname()[:2]
    named = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"Carousel {__version__} answers on http://{named}:{port}; try it at http://{named}:{port}/docs\n")
    if grpc_port is not None:
        sys.stdout.write(f"and over gRPC on {named}:{grpc_port}\n")
    sys.stdout.flush()

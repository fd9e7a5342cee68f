"""A real server on a real socket, which serves tiny artifacts with the names of the bundled models."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from service.api.bounded_http import BoundedHttp
from service.app import create_app
from service.settings import Settings

from .bundled import publish_all
from .writers import publish_writers


@contextmanager
def serving(app: ASGIApp, *, http: type[BoundedHttp] = BoundedHttp) -> Iterator[str]:
    """The address of a uvicorn that serves `app` on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="on", http=http))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny artifacts, and one that is broken."""
    root = tmp_path_factory.mktemp("models")
    publish_all(root)
    (root / "broken" / "1").mkdir(parents=True)
    return root


@pytest.fixture(scope="session")
def address(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    personal = tmp_path_factory.mktemp("personal") / "words.sqlite"
    with serving(create_app(Settings(models=model_folder, max_body_bytes=100_000, personal_words=personal))) as address:
        yield address


@pytest.fixture(scope="session")
def open_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that loads and unloads models over HTTP."""
    root = tmp_path_factory.mktemp("open-models")
    publish_all(root)
    with serving(create_app(Settings(models=root, repository_mode="explicit"))) as address:
        yield address


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def writers_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of next-word models that write."""
    root = tmp_path_factory.mktemp("writers")
    publish_writers(root)
    with serving(create_app(Settings(models=root))) as address:
        yield address


@pytest.fixture(scope="session")
def writers(writers_address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=writers_address, timeout=60) as client:
        yield client

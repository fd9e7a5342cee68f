"""A real server on real sockets, which serves tiny artifacts with the names of the bundled models, over gRPC beside HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.app import create_app
from service.settings import Settings
from tests.api.bundled import publish_all
from tests.api.conftest import serving


@contextmanager
def serving_grpc(settings: Settings) -> Iterator[str]:
    """Where a service with these settings listens for gRPC."""
    app = create_app(settings.model_copy(update={"grpc_port": 0}))
    with serving(app):
        yield f"127.0.0.1:{app.state.grpc_port}"


@pytest.fixture(scope="session")
def grpc_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny artifacts, one that is broken, and a label."""
    root = tmp_path_factory.mktemp("grpc-models")
    publish_all(root)
    (root / "broken" / "1").mkdir(parents=True)
    (root / "energy-load" / "labels.json").write_text('{"stable": 2, "older": 1}')
    return root


@pytest.fixture(scope="session")
def grpc_address(grpc_models: Path) -> Iterator[str]:
    with serving_grpc(Settings(models=grpc_models, max_body_bytes=100_000)) as address:
        yield address


@pytest.fixture(scope="session")
def open_grpc_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that loads and unloads models on request."""
    root = tmp_path_factory.mktemp("open-grpc-models")
    publish_all(root)
    with serving_grpc(Settings(models=root, repository_mode="explicit")) as address:
        yield address

"""Servers to attack, with the bounds that an operator would give them, smaller."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from service.api.bounded_http import BoundedHttp
from service.app import create_app
from service.settings import Settings
from tests.api.bundled import publish_all
from tests.api.conftest import serving
from tests.process import Server, running

LIMIT = 100_000
"""Bytes of a body."""


class Impatient(BoundedHttp):
    """Gives up sooner than a server would."""

    head_timeout_s = 1.0
    write_timeout_s = 0.5


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in this process, which is impatient."""
    root = tmp_path_factory.mktemp("attacked")
    publish_all(root)
    with serving(create_app(Settings(models=root, max_body_bytes=LIMIT, timeout_s=2)), http=Impatient) as address:
        yield address


@pytest.fixture(scope="package")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=20) as client:
        yield client


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a process of its own, whose memory can be measured."""
    root = tmp_path_factory.mktemp("measured")
    publish_all(root)
    with running(root, "--max-body-bytes", "1000000") as server:
        yield server

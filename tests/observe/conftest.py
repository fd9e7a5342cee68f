"""Applications that tell of their requests, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.app import create_app
from service.observe.spans import Spans
from service.settings import Settings
from tests.api.bundled import publish_all
from tests.api.gated import caller

CLASSIFY = "/v1/models/tiny-classes/classify"
QUESTION = {"sequences": [[[0, 1, 0]]]}
ACCESS_LOG = "service.observe.access_log"
"""The logger of requests."""


class Recorded:
    """The spans that were recorded, in the order of their ends."""

    def __init__(self, *, ratio: float | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = Spans(SimpleSpanProcessor(self.exporter), ratio=ratio)

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.spans() if span.name == name)
        return found


def asked(app: FastAPI, method: str, path: str, **given: Any) -> httpx.Response:
    """The answer to one request, and the application is done with it."""

    async def ask() -> httpx.Response:
        async with caller(app) as client:
            return await client.request(method, path, **given)

    return asyncio.run(ask())


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of the lines so far that were told of requests."""
    return [vars(record)["fields"] for record in caplog.records if record.name == ACCESS_LOG]


@pytest.fixture
def opened(tiny_models: Path) -> Iterator[Callable[..., FastAPI]]:
    """Makes applications whose models are loaded."""
    apps: list[FastAPI] = []

    def opened(*, recorded: Recorded | None = None, **settings: object) -> FastAPI:
        given: dict[str, Any] = {"models": tiny_models, **settings}
        app = create_app(Settings(**given), tracing=recorded and recorded.tracing)
        app.context.registry.load_all()
        apps.append(app)
        return app

    yield opened
    for app in apps:
        app.context.registry.close()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny artifacts with the names of the bundled models."""
    root = tmp_path_factory.mktemp("observed")
    publish_all(root)
    return root

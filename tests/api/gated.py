"""A service whose model waits for the test: what is in its queue stays there until the gate is opened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from starlette.types import ASGIApp, Message

from service.app import create_app
from service.backends.base import Backend
from service.batching.batcher import Batcher
from service.contract.golden import Tensors
from service.contract.repository import Location
from service.served_model import ServedModel
from service.settings import Settings


@dataclass(slots=True)
class GatedBackend:
    """Runs the graph once the gate is open; remembers the rows of each run. `alter` gets the number of the run and its outputs."""

    graph: Backend
    alter: Callable[[int, Tensors], Tensors] = lambda _run, outputs: outputs
    runs: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)

    def run(self, inputs: Tensors, outputs: Sequence[str] = ()) -> Tensors:
        self.started.set()
        assert self.gate.wait(timeout=20)
        self.runs.append(len(next(iter(inputs.values()))))
        return self.alter(len(self.runs), self.graph.run(inputs, outputs))


@dataclass(slots=True)
class GatedService:
    """The application, its one model, and what holds that up."""

    app: ASGIApp
    model: ServedModel
    backend: GatedBackend

    async def busy(self) -> None:
        """Wait until the graph runs."""
        await asyncio.to_thread(self.backend.started.wait, 20)

    async def queued(self, rows: int) -> None:
        """Wait until this many rows are queued."""
        while self.model.batcher.queued_rows != rows:  # noqa: ASYNC110 - the batcher tells nobody of its queue
            await asyncio.sleep(0.001)


@dataclass(slots=True)
class OneModel:
    """A registry with one model, whatever it is asked for."""

    model: ServedModel

    def resolve(self, _reference: str, _version: int | None = None) -> ServedModel:
        return self.model


@asynccontextmanager
async def gated(
    root: Path, name: str, *, max_queue_rows: int = 1024, max_batch_rows: int = 1, access_log: bool = False
) -> AsyncIterator[GatedService]:
    """A service with the newest version of one model of this folder, its gate closed."""
    settings = Settings(models=root, max_queue_rows=max_queue_rows, max_batch_rows=max_batch_rows, access_log=access_log)
    loaded = ServedModel.load(Location(name, 1, root / name / "1"), root=root, settings=settings)
    backend = GatedBackend(loaded.backend)
    batcher = Batcher(backend.run, max_batch_rows=max_batch_rows, max_queue_rows=max_queue_rows, name=name)
    model = replace(loaded, batcher=batcher)
    app = create_app(settings)
    app.context = replace(app.context, registry=OneModel(model))
    try:
        yield GatedService(app, model, backend)
    finally:
        backend.gate.set()
        batcher.close(5)
        loaded.close(5)


def caller(app: ASGIApp) -> httpx.AsyncClient:
    """A client that talks to the application without a socket."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@dataclass(slots=True)
class Leaver:
    """A caller who sends a question and hangs up once they are told to, or after so many parts of the answer."""

    path: str
    body: bytes
    parts: int = 1000
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[Message] = field(default_factory=list)

    async def ask(self, app: ASGIApp) -> None:
        """Ask; returns when the application is done with this request."""
        messages = self._messages()

        async def receive() -> Message:
            message = next(messages)
            if message["type"] == "http.disconnect":
                await self.leave.wait()
            return message

        async def send(message: Message) -> None:
            self.sent.append(message)
            if sum(bool(part.get("body")) for part in self.sent) >= self.parts:
                self.leave.set()

        scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "POST", "path": self.path}
        await app({**scope, "headers": [], "query_string": b"", "root_path": ""}, receive, send)

    def _messages(self) -> Iterator[Message]:
        yield {"type": "http.request", "body": self.body, "more_body": False}
        while True:
            yield {"type": "http.disconnect"}

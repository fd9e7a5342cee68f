"""The way in: questions to models go straight to their routes, everything else to FastAPI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from time import perf_counter

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.deps import Context, context_in, version_header
from service.api.hot_route import HotRoute
from service.api.request_id import request_id_header
from service.api.whole_request import WHOLE


class Application(FastAPI):
    """FastAPI, behind `entry` where one is set: what it wraps around every request would cost questions to models more than it gives."""

    context: Context
    """What it answers with; here, as `state` takes longer to look up."""
    entry: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open and close the application."""
        if scope["type"] == "http" and self.entry is not None:
            scope["app"] = self
            await self.entry(scope, receive, send)
        else:
            await self.inner(scope, receive, send)

    async def inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's own way."""
        await super().__call__(scope, receive, send)


class Dispatch:
    """Tries the routes of questions first. A pure ASGI middleware: one that wraps requests in tasks would cost more than the model.

    Routes that are seldom asked are added once, when a path is asked for that is not among the first ones.
    """

    def __init__(
        self, app: ASGIApp, *, hot: Sequence[HotRoute], first: Collection[str], add_seldom: Callable[[], Sequence[HotRoute]]
    ) -> None:
        """`hot` are tried before `app`, which has the paths of `first`; `add_seldom` gives it all others, and says which are hot."""
        self._app = app
        self._hot: dict[str, list[HotRoute]] = {}
        self._first = frozenset(first)
        self._add_seldom: Callable[[], Sequence[HotRoute]] | None = add_seldom
        self._adding = threading.Lock()
        self._add(hot)

    def complete(self) -> None:
        """Add what is seldom asked, unless it is there. Blocks; any thread may call it."""
        with self._adding:
            if self._add_seldom is not None:
                self._add(self._add_seldom())
                self._add_seldom = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        for route in self._hot.get(_last_word(path), ()):
            found = route.path_regex.match(path)
            if found is not None:
                scope["route"] = route
                scope["path_params"] = found.groupdict()
                await route.handle(scope, receive, send)
                return
        if self._add_seldom is not None and path not in self._first:
            await run_in_threadpool(self.complete)  # other requests are answered meanwhile
            await self(scope, receive, send)
        else:
            await self._cold(scope, receive, send)

    def _add(self, hot: Sequence[HotRoute]) -> None:
        for route in hot:
            self._hot.setdefault(_last_word(route.path_format), []).append(route)

    async def _cold(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        scope.pop(WHOLE, None)  # as in HotRoute
        status = 500
        identity = request_id_header(scope)

        async def labelled(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), identity, *version_header(scope)]
            await send(message)

        try:
            await self._app(scope, receive, labelled)
        finally:
            context: Context = context_in(scope)
            path = getattr(scope.get("route"), "path_format", "other")
            context.telemetry.answered(path, scope.get("path_params", {}), status, perf_counter() - started)


def _last_word(path: str) -> str:
    """What follows the last slash or colon: `forecast`, `predict`, ...; few routes share it."""
    return path[max(path.rfind("/"), path.rfind(":")) + 1 :]

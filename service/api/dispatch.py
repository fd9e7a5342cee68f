"""The way in: questions to models go straight to their routes, everything else to FastAPI."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.deps import Context, version_header
from service.api.hot_route import HotRoute
from service.api.request_id import request_id_header


class Dispatch:
    """ASGI middleware; a pure one, since one that wraps requests in tasks and streams would cost more than the model."""

    def __init__(self, app: ASGIApp, *, hot: Sequence[HotRoute]) -> None:
        """`hot` are tried first."""
        self._app = app
        self._hot: dict[str, list[HotRoute]] = {}
        for route in hot:
            self._hot.setdefault(_last_word(route.path_format), []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for route in self._hot.get(_last_word(scope["path"]), ()):
            match, found = route.matches(scope)
            if match is not Match.NONE:
                scope.update(found)
                await route.handle(scope, receive, send)
                return
        await self._cold(scope, receive, send)

    async def _cold(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
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
            context: Context = scope["app"].state.context
            path = getattr(scope.get("route"), "path_format", "other")
            context.telemetry.answered(path, scope.get("path_params", {}), status, perf_counter() - started)


def _last_word(path: str) -> str:
    """What follows the last slash or colon: `forecast`, `predict`, ...; few routes share it."""
    return path[max(path.rfind("/"), path.rfind(":")) + 1 :]

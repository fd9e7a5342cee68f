"""The route of what is asked again and again, and the first thing of all: whether the service is ready."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from service.api.late_route import LateRoute


class BareRoute(LateRoute):
    """Documented by FastAPI, answered without its machinery; the endpoint is `async (request) -> Response`."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)  # which refuses it
            return
        response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)

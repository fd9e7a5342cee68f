"""The route of every question to a model: documented by FastAPI, answered without its machinery.

FastAPI's own handling of a JSON body (dependencies, exit stacks, `json.loads`, an encoder for the answer) takes longer than the arithmetic
of a small model. Here the bytes go to the compiled validator of the body's model, and the endpoint's answer is written as bytes.
"""

from __future__ import annotations

import logging
from functools import cached_property
from time import perf_counter
from typing import get_type_hints

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.body import Body, read_body
from service.api.deps import Context, context_in, version_header
from service.api.disconnect import DisconnectWatch
from service.api.late_route import LateRoute
from service.api.problem import NO_ROUTE, error_response, no_route_response
from service.api.request_id import request_id_header
from service.api.whole_request import WHOLE, WholeRequest
from service.errors import BodyTooLarge, InferenceFailed, ServiceError

logger = logging.getLogger(__name__)

_JSON = (b"content-type", b"application/json")


class HotRoute(LateRoute):
    """POST a JSON body; the endpoint is `async (request, body, **path parameters) -> JSON-ready answer`, numpy arrays included.

    It may also answer with a Response of its own. The body is read as JSON whatever its content type says. A caller who hangs up
    cancels the endpoint.
    """

    @cached_property
    def body_model(self) -> type[Body]:
        """The model of the endpoint's `body`."""
        model: type[Body] = get_type_hints(self.endpoint)["body"]
        return model

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        context = context_in(scope)
        started = perf_counter()
        identity = request_id_header(scope)
        whole: WholeRequest | None = scope.pop(WHOLE, None)  # which knows the scope: left in it, the two would wait for the collector
        try:
            response = await self._answered(scope, receive, context, whole)
        except ClientDisconnect:
            return
        except ServiceError as error:
            response = _refused(error, scope, context)
        except Exception:
            logger.exception("%s failed on request %s", self.path_format, identity[1].decode())
            response = _refused(InferenceFailed(scope["path_params"].get("name", "the service")), scope, context)
        response.raw_headers.extend((identity, *version_header(scope)))
        if whole is None or type(response) is not JsonResponse or not whole.answer(send, 200, response.raw_headers, response.body):
            await response(scope, receive, send)
        context.telemetry.answered(self.path_format, scope["path_params"], response.status_code, perf_counter() - started)

    async def _answered(self, scope: Scope, receive: Receive, context: Context, whole: WholeRequest | None) -> Response:
        if scope["method"] != "POST":
            context.telemetry.reject(NO_ROUTE, scope["path_params"])
            return no_route_response(405, "Method Not Allowed", method=scope["method"], path=scope["path"], headers={"Allow": "POST"})
        settings = context.settings
        data = await read_body(scope, receive, whole, limit=settings.max_body_bytes, timeout_s=settings.timeout_s)
        body = self.body_model.read(data, scope["headers"])
        with DisconnectWatch(receive, whole):
            answer = await self.endpoint(Request(scope), body=body, **scope["path_params"])
        return answer if isinstance(answer, Response) else JsonResponse(answer)


class JsonResponse(Response):
    """What `answer` is as JSON, numpy arrays included."""

    def __init__(self, answer: object) -> None:
        self.status_code = 200
        self.background = None
        self.body: bytes = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        self.raw_headers = [_JSON, (b"content-length", b"%d" % len(self.body))]


def _refused(error: ServiceError, scope: Scope, context: Context) -> Response:
    context.telemetry.reject(error.slug, scope["path_params"])
    response = error_response(error, path=scope["path"])
    if isinstance(error, BodyTooLarge):
        response.headers["connection"] = "close"  # the rest of the body is not read: this connection is of no more use
    return response

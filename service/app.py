"""The application: models loaded at its start, its routes, one way to answer errors."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from service import __version__
from service.api import anomalies, classify, docs, forecast, generate, health, inference, next_word, predict, repository
from service.api.body import summary
from service.api.deps import Context
from service.api.dispatch import Application, Dispatch
from service.api.hot_route import HotRoute
from service.api.problem import NO_ROUTE, error_response, no_route_response
from service.errors import BadQuestion, ServiceError
from service.grpc_api.serving import grpc_beside
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.observe.tracing import Tracing, open_tracing
from service.personal.opening import open_words
from service.sequences.sequences import Sequences
from service.settings import Settings
from service.stopping import stop_announced

logger = logging.getLogger(__name__)

HOT = (
    forecast.router,
    anomalies.router,
    next_word.router,
    classify.router,
    predict.router,
    inference.hot_router,
    generate.router,
    repository.router,
)
"""Routes of questions: they go round FastAPI's machinery."""
COLD = (health.bare_router, health.router)
"""Those that are asked first; all others are in `service.api.seldom`."""


def create_app(settings: Settings | None = None, *, tracing: Tracing | None = None, registry: ModelRegistry | None = None) -> Application:
    """The service as an ASGI application. Models are loaded when it starts, not here, unless those of `registry` are by then.

    `app.context` holds the registry, the settings and the telemetry, and `app.state.grpc_port` the port of gRPC once it is started.
    `tracing` stands for what the settings say of it.

    Raises:
        StartupError: what traces or the store of sequences need is not installed, or there is no folder for personal words.
    """
    settings = settings or Settings()
    tracing = tracing or open_tracing(settings)
    registry = registry or ModelRegistry(settings, Telemetry.create(settings.worker_folder))
    telemetry = registry.telemetry
    app = Application(
        title=docs.TITLE,
        version=__version__,
        description=docs.DESCRIPTION,
        openapi_tags=docs.TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        # the service has its own; asking at every request whether costs a tenth
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    sequences_kept = Sequences.of(registry, settings, telemetry.sequences)
    app.context = Context(registry, settings, telemetry, sequences_kept, tracing, open_words(settings))
    hot = _add_routes(app, HOT, COLD)
    dispatch = Dispatch(app.inner, hot=hot, first=_paths(COLD), add_seldom=partial(_add_seldom, app))
    docs.add_docs(app, complete=dispatch.complete)
    app.entry = dispatch
    if settings.access_log or tracing:
        from service.api.observation import Observation  # here: most services do neither

        app.entry = Observation(app.entry, telemetry=telemetry, log=settings.access_log, tracing=tracing)
    for error in (ServiceError, HTTPException, RequestValidationError, ClientDisconnect, Exception):
        app.add_exception_handler(error, _answer_error)
    return app


@asynccontextmanager
async def _lifespan(app: Application) -> AsyncIterator[None]:
    """Raises StartupError where the service cannot start."""
    context = app.context
    thresholds = gc.get_threshold()
    await run_in_threadpool(context.registry.load_all)
    gc.freeze()  # what was loaded stays: the collector need not look through it at every request
    gc.set_threshold(10_000)  # what hundreds of requests in flight hold is no garbage
    async with grpc_beside(context.registry, context.settings, context.telemetry, context.sequences) as grpc:
        app.state.grpc_port = None if grpc is None else grpc.port
        announce = context.registry.announce_stop if grpc is None else grpc.announce_stop
        with context.telemetry.shared(), stop_announced(announce, delay_s=context.settings.stop_delay_s):
            yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    await context.sequences.close()
    await run_in_threadpool(context.registry.close)
    if context.tracing is not None:
        await run_in_threadpool(context.tracing.close)
    if context.personal is not None:
        await run_in_threadpool(context.personal.close)


def _add_routes(app: Application, hot: Sequence[APIRouter], cold: Sequence[APIRouter]) -> list[HotRoute]:
    """Give `app` the routes of these routers; those that are hot."""
    # not include_router: it wraps routes in contexts that are looked through again at every request
    app.router.routes.extend(route for router in (*hot, *cold) for route in router.routes)
    return [route for router in hot for route in router.routes if isinstance(route, HotRoute)]


def _add_seldom(app: Application) -> list[HotRoute]:
    from service.api import seldom  # here, as it says

    return _add_routes(app, seldom.HOT, seldom.COLD)


def _paths(routers: Sequence[APIRouter]) -> list[str]:
    return [route.path for router in routers for route in router.routes if isinstance(route, Route)]


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # nobody reads it
    path = request.scope["path"]
    request.app.context.telemetry.reject(_reason(error), request.path_params)
    match error:
        case ServiceError():
            return error_response(error, path=path)
        case RequestValidationError():
            wrong = [
                {"where": list(detail["loc"]), "message": detail["msg"].replace("Input should", "this should", 1)}
                for detail in error.errors()
            ]
            return error_response(BadQuestion(summary(wrong, total=len(wrong)), errors=wrong), path=path)
        case HTTPException():
            headers = dict(error.headers or {})
            if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                headers["Allow"] = _allowed(request)
            return no_route_response(error.status_code, error.detail, method=request.method, path=path, headers=headers)
        case _:
            return error_response(ServiceError("the service failed on this request; its log says why"), path=path)


def _allowed(request: Request) -> str:
    """Methods of all routes with this path; the router knows those of the first one."""
    routes = (route for route in request.app.routes if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for route in routes for method in route.methods or ()}))


def _reason(error: Exception) -> str:
    """What a rejected request is counted under."""
    match error:
        case ServiceError():
            return error.slug
        case RequestValidationError():
            return BadQuestion.slug
        case HTTPException():
            return NO_ROUTE
        case _:
            return ServiceError.slug

"""The application: models loaded at its start, its routes, one way to answer errors."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from service import __version__
from service.api import (
    absent,
    anomalies,
    classify,
    docs,
    forecast,
    generate,
    health,
    inference,
    model_config,
    models,
    next_word,
    personal,
    predict,
    repository,
    sequences,
    statistics,
    suggestions,
)
from service.api.body import summary
from service.api.compat import nixtla, openai, timeseries
from service.api.deps import Context
from service.api.dispatch import Application, Dispatch
from service.api.hot_route import HotRoute
from service.api.observation import Observation
from service.api.problem import NO_ROUTE, error_response, no_route_response
from service.errors import BadQuestion, ServiceError
from service.grpc_api.serving import grpc_beside
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.observe.tracing import Tracing, open_tracing
from service.personal.words import PersonalWords
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
    nixtla.router,
    timeseries.router,
    openai.router,
)
"""Routes of questions: they go round FastAPI's machinery."""
COLD = (
    models.router,
    statistics.router,
    suggestions.router,
    inference.router,
    sequences.router,
    personal.router,
    model_config.router,
    health.router,
    absent.router,
    nixtla.cold_router,
    timeseries.cold_router,
    openai.cold_router,
)
"""All others; the first that fits answers, so that `/v2/models/stats` is no model's name."""


def create_app(settings: Settings | None = None, *, tracing: Tracing | None = None) -> Application:
    """The service as an ASGI application. Models are loaded when it starts, not here.

    `app.context` holds the registry, the settings and the telemetry, and `app.state.grpc_port` the port of gRPC once it is started.
    `tracing` stands for what the settings say of it.

    Raises:
        StartupError: what traces or the store of sequences need is not installed, or there is no folder for personal words.
    """
    settings = settings or Settings()
    tracing = tracing or open_tracing(settings)
    telemetry = Telemetry.create(settings.worker_folder)
    app = Application(
        title=docs.TITLE,
        version=__version__,
        description=docs.DESCRIPTION,
        openapi_tags=docs.TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # the service has its own; asking at every request whether costs a tenth
    )
    registry = ModelRegistry(settings, telemetry)
    sequences_kept = Sequences.of(registry, settings, telemetry.sequences)
    app.context = Context(registry, settings, telemetry, sequences_kept, tracing, PersonalWords.of(settings))
    hot = [route for router in HOT for route in router.routes]
    # not include_router: it wraps routes in contexts that are looked through again at every request
    app.router.routes.extend([*hot, *(route for router in COLD for route in router.routes)])
    docs.add_docs(app)
    app.entry = Dispatch(app.inner, hot=[route for route in hot if isinstance(route, HotRoute)])
    if settings.access_log or tracing:
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

"""Is it alive, is it ready, what does it measure."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.api.bare_route import BareRoute
from service.api.deps import context_of
from service.api.hot_route import JsonResponse
from service.api.late_route import LateRoute
from service.api.problem import oip_documented
from service.errors import ShuttingDown
from service.oip.server import ServerMetadata, server_metadata


class Health(BaseModel, defer_build=True):
    """State of the service; both words, since clients look for the one or the other."""

    live: bool = Field(description="The service answers.")
    ready: bool = Field(description="At least one model is served, and the service is not stopping.")


bare_router = APIRouter(route_class=BareRoute)
router = APIRouter(route_class=LateRoute)


@router.get("/", include_in_schema=False)
async def root() -> dict[str, str]:
    """Where clients of KServe's protocol v1 look whether a server is alive, and people what it is."""
    return {"status": "alive", "docs": "/docs"}


@router.get("/v2", tags=["Open Inference Protocol"], summary="The server")
async def server(request: Request) -> ServerMetadata:
    """Name, release and extensions of the server."""
    return server_metadata(context_of(request).settings, http=True)


@bare_router.get("/v2/health/live", response_model=Health, tags=["Health"], summary="Whether the service answers")
async def live(request: Request) -> Response:
    """200 as long as the process answers."""
    return JsonResponse({"live": True, "ready": context_of(request).registry.ready})


@bare_router.get(
    "/v2/health/ready",
    response_model=Health,
    tags=["Health"],
    summary="Whether the service is ready for questions",
    responses=oip_documented((ShuttingDown,)),
)
async def ready(request: Request) -> Response:
    """200 as soon as at least one model is served, else 503."""
    registry = context_of(request).registry
    if not registry.newest():
        raise ShuttingDown("no model is served: publish one into the model folder and start again")
    if not registry.ready:
        raise ShuttingDown
    return JsonResponse({"live": True, "ready": True})


@bare_router.get(
    "/metrics",
    tags=["Health"],
    summary="Measures for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"description": "Requests, times, batches and queues in the Prometheus text format."}},
)
async def metrics(request: Request) -> Response:
    """Counters and histograms of this process since its start."""
    return Response(context_of(request).telemetry.exposition(), media_type=CONTENT_TYPE_LATEST)

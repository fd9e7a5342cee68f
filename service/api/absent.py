"""What public clients of the Open Inference Protocol may ask of extensions that are not here: shared memory, tracing, changing the log.

Nothing is registered, nothing is traced, the log is as it was started: reading says so, a change is refused.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from service.api.body import read_body
from service.api.deps import context_of, model_of
from service.api.late_route import LateRoute
from service.errors import BadQuestion
from service.oip.absent import TRACE_SETTINGS, log_settings, no_log_change, no_region, no_tracing

router = APIRouter(route_class=LateRoute, include_in_schema=False)


@router.get("/v2/systemsharedmemory/status")
@router.get("/v2/cudasharedmemory/status")
async def regions() -> list[dict[str, Any]]:
    """None."""
    return []


@router.get("/v2/systemsharedmemory/region/{region}/status")
@router.get("/v2/cudasharedmemory/region/{region}/status")
@router.post("/v2/systemsharedmemory/region/{region}/register")
@router.post("/v2/cudasharedmemory/region/{region}/register")
async def region(region: str) -> None:
    """Refused."""
    raise no_region(region)


@router.post("/v2/systemsharedmemory/unregister")
@router.post("/v2/cudasharedmemory/unregister")
@router.post("/v2/systemsharedmemory/region/{region}/unregister")
@router.post("/v2/cudasharedmemory/region/{region}/unregister")
async def unregister() -> dict[str, Any]:
    """Done: nothing was registered."""
    return {}


@router.get("/v2/trace/setting")
@router.get("/v2/models/{name}/trace/setting")
async def tracing(request: Request) -> dict[str, Any]:
    """Off."""
    if "name" in request.path_params:
        model_of(request, request.path_params["name"])
    return TRACE_SETTINGS


@router.post("/v2/trace/setting")
@router.post("/v2/models/{name}/trace/setting")
async def trace(request: Request) -> dict[str, Any]:
    """Refused, unless nothing is to change."""
    await _refuse_change(request, no_tracing())
    return await tracing(request)


@router.get("/v2/logging")
async def log(request: Request) -> dict[str, Any]:
    """As the service was started."""
    return log_settings(context_of(request).settings)


@router.post("/v2/logging")
async def change_log(request: Request) -> dict[str, Any]:
    """Refused, unless nothing is to change."""
    await _refuse_change(request, no_log_change())
    return await log(request)


async def _refuse_change(request: Request, refusal: BadQuestion) -> None:
    settings = context_of(request).settings
    data = await read_body(request.scope, request.receive, limit=settings.max_body_bytes, timeout_s=settings.timeout_s)
    if data.strip() not in (b"", b"{}"):
        raise refusal

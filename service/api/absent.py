"""What public clients of the Open Inference Protocol may ask of extensions that are not here: shared memory, tracing, changing the log.

Nothing is registered, nothing is traced, the log is as it was started: reading says so, a change is refused.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from service.api.body import read_body
from service.api.deps import context_of, model_of
from service.errors import BadQuestion

router = APIRouter(include_in_schema=False)

LEVELS = ("debug", "info", "warning", "error")


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
    raise BadQuestion(f"no region {region[:40]!r}: no memory is shared with callers, send tensors in bodies")


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
    return {"trace_level": ["OFF"], "trace_rate": "0", "trace_count": "0", "log_frequency": "0", "trace_file": "", "trace_mode": "triton"}


@router.post("/v2/trace/setting")
@router.post("/v2/models/{name}/trace/setting")
async def trace(request: Request) -> dict[str, Any]:
    """Refused, unless nothing is to change."""
    await _refuse_change(request, "requests are not traced here: metrics are at /metrics")
    return await tracing(request)


@router.get("/v2/logging")
async def log_settings(request: Request) -> dict[str, Any]:
    """As the service was started."""
    settings = context_of(request).settings
    least = LEVELS.index(settings.log_level)
    return {
        "log_file": "",
        **{f"log_{level}": least <= LEVELS.index(level) for level in LEVELS[1:]},
        "log_verbose_level": int(least == 0),
        "log_format": settings.log_format,
    }


@router.post("/v2/logging")
async def log(request: Request) -> dict[str, Any]:
    """Refused, unless nothing is to change."""
    await _refuse_change(request, "the log is set at the start: use --log-level and --log-format")
    return await log_settings(request)


async def _refuse_change(request: Request, remedy: str) -> None:
    settings = context_of(request).settings
    data = await read_body(request.scope, request.receive, limit=settings.max_body_bytes, timeout_s=settings.timeout_s)
    if data.strip() not in (b"", b"{}"):
        raise BadQuestion(remedy)

"""Answers that come in parts, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from starlette.responses import StreamingResponse

from service.errors import InferenceFailed, ServiceError

logger = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"


def event(data: dict[str, Any], *, kind: str = "") -> bytes:
    """One event; `kind` is what browsers dispatch it by, `message` where it is left out."""
    return (b"event: " + kind.encode() + b"\n" if kind else b"") + b"data: " + orjson.dumps(data) + b"\n\n"


async def streamed(events: AsyncIterator[bytes], *, failed: Callable[[ServiceError], bytes], name: str) -> StreamingResponse:
    """A response with these events, at least one; what goes wrong on the way becomes the last one.

    Raises:
        ServiceError: there is not even a first event; the response then has a status of its own.
    """
    first = await anext(events)
    return StreamingResponse(_rest(first, events, failed, name), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})


async def _rest(first: bytes, events: AsyncIterator[bytes], failed: Callable[[ServiceError], bytes], name: str) -> AsyncIterator[bytes]:
    yield first
    try:
        async for one in events:
            yield one
    except ServiceError as error:
        yield failed(error)
    except Exception:
        logger.exception("%s failed in the middle of a stream", name)
        yield failed(InferenceFailed(name))

"""Errors as gRPC has them: a status, its details, and when to come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from grpc import StatusCode
from grpc.aio import ServicerContext

from service.errors import ServiceError

CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    409: StatusCode.FAILED_PRECONDITION,
    413: StatusCode.RESOURCE_EXHAUSTED,
    422: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}
"""HTTP status of an error -> what it is here."""

MAX_DETAILS = 1000
"""Characters: they go in a header, and clients refuse long ones."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call ends that gets no answer.

    It stands for the error, whose traceback holds what was asked: kept, that would stay in memory until the garbage is collected.
    """

    code: StatusCode
    details: str
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: ServiceError) -> Refusal:
        """What is wrong and what to do, not longer than a client reads; clients that retry are told when, as by HTTP's `Retry-After`."""
        detail = error.detail if len(error.detail) <= MAX_DETAILS else error.detail[:MAX_DETAILS] + "..."
        seconds = error.headers.get("Retry-After")
        again = () if seconds is None else (("grpc-retry-pushback-ms", str(int(seconds) * 1000)),)
        return cls(CODES[error.status], detail, again)

    async def end(self, context: ServicerContext[bytes, bytes]) -> NoReturn:
        """End a call; raises what gRPC wants raised."""
        await context.abort(self.code, self.details, self.metadata)

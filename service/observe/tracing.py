"""Traces, where they are asked for: what sends them is an optional package, which is imported here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from service.errors import StartupError
from service.settings import Settings

if TYPE_CHECKING:
    from service.observe.finished_request import FinishedRequest


class Tracing(Protocol):
    """Records requests that are over as traces."""

    def record(self, request: FinishedRequest, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Record one, in the trace that its headers name or else in a new one; that trace's id."""
        ...

    def close(self) -> None:
        """Send what is left. Blocks, for a bounded time."""
        ...


def open_tracing(settings: Settings) -> Tracing | None:
    """What sends spans over OTLP; None unless `settings.tracing`.

    Raises:
        StartupError: OpenTelemetry is not installed, or its own variables are wrong.
    """
    if not settings.tracing:
        return None
    try:
        from service.observe.spans import Spans  # here, as OpenTelemetry is optional and slow to import
    except ModuleNotFoundError as error:
        raise StartupError("--tracing needs OpenTelemetry: `pip install 'carousel-serve[tracing]'`, or start without it") from error
    try:
        return Spans.sent_to(settings.otlp_endpoint, ratio=settings.trace_ratio)
    except ValueError as error:
        raise StartupError(f"--tracing cannot start: {error}: correct the OTEL_* variables, or start without it") from error

"""What public clients of the protocol may ask of extensions that are not here: shared memory, tracing, changing the log.

Nothing is registered, nothing is traced, the log is as it was started: reading says so, a change is refused.
"""

from __future__ import annotations

from typing import Any

from service.errors import BadQuestion
from service.settings import Settings

LEVELS = ("debug", "info", "warning", "error")
TRACE_SETTINGS: dict[str, Any] = {
    "trace_level": ["OFF"],
    "trace_rate": "0",
    "trace_count": "0",
    "log_frequency": "0",
    "trace_file": "",
    "trace_mode": "triton",
}


def no_region(name: str) -> BadQuestion:
    """The error of asking for a region of shared memory."""
    return BadQuestion(f"no region {name[:40]!r}: no memory is shared with callers, send tensors in bodies")


def no_tracing() -> BadQuestion:
    """The error of changing what is traced."""
    return BadQuestion("requests are not traced here: metrics are at /metrics")


def no_log_change() -> BadQuestion:
    """The error of changing the log."""
    return BadQuestion("the log is set at the start: use --log-level and --log-format")


def log_settings(settings: Settings) -> dict[str, Any]:
    """As the service was started."""
    least = LEVELS.index(settings.log_level)
    return {
        "log_file": "",
        **{f"log_{level}": least <= LEVELS.index(level) for level in LEVELS[1:]},
        "log_verbose_level": int(least == 0),
        "log_format": settings.log_format,
    }

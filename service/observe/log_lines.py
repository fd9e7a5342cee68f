"""Lines of the log, for people or for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal


class JsonLines(logging.Formatter):
    """One JSON object a line, ASCII alone: whatever a message holds, no reader takes a part of it for a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC, level and logger; then the record's `fields` where it has some, or else its message; and the traceback, if any."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **getattr(record, "fields", {}),
        }
        if not hasattr(record, "fields"):
            line["message"] = record.getMessage()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logging(level: str, style: Literal["text", "json"]) -> None:
    """Log to standard error, from `level` on; replaces handlers that were there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)

"""The text of /openapi.json that the tests compare with; `python -m tests.api.snapshot` writes it anew after a wanted change."""

from __future__ import annotations

import json
import re
from pathlib import Path

from service.app import create_app
from service.settings import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")


def openapi_text() -> str:
    """The schema, indented, with each list of numbers on one line."""
    text = json.dumps(create_app(Settings()).openapi(), indent=1, ensure_ascii=False)
    return re.sub(r"\[[\s\d.,enul-]+\]", lambda found: " ".join(found[0].split()), text) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(openapi_text(), encoding="utf-8")

"""benchmarks/RESULTS.md: a section a benchmark, each written by the command that it names."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
TITLE = "# Results\n\nEach section is written by the command that it names; figures of different runs and machines do not compare.\n"


def write_section(heading: str, *, command: str, body: str, path: Path = RESULTS) -> None:
    """Put a section in its place, replacing the one of the same heading."""
    text = path.read_text(encoding="utf-8") if path.exists() else TITLE
    when = datetime.now(UTC).date().isoformat()
    section = f"## {heading}\n\n`{command}`, {when}, {machine()}\n\n{body.strip()}\n"
    pattern = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    replaced, count = pattern.subn(lambda _: section + "\n", text)
    text = replaced if count else f"{text.rstrip()}\n\n{section}"
    path.write_text(text.rstrip() + "\n", encoding="utf-8")


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def machine() -> str:
    """The machine in words: processor, cores, Python."""
    try:
        model = next(line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        model = f": {platform.machine()}"
    return f"{os.cpu_count()} cores of {model.partition(':')[2].strip()}, Python {platform.python_version()}"

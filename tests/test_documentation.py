"""The documentation says what the code says, and its pages lead to one another."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_manifest_page_is_what_the_code_writes():
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["manifest_page"]()

    assert (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8") == page, "run `make docs`"


def test_the_page_of_recipes_is_what_the_code_writes():
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["recipes_page"]()

    assert (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8") == page, "run `make docs`"
    assert "| `learning_rate` | number, above 0 | no: `0.002` | Peak learning rate. |" in page


def test_the_documentation_builds_without_a_warning(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "site" / "getting-started" / "index.html").is_file()

"""The shape of the project: who may import whom, and where a thing lives."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for package in ("service", "training") for path in (ROOT / package).rglob("*.py"))
MAX_FUNCTION_LINES = 40
MAX_FILE_LINES = 250

# written in parts, so that this file does not name them either
REGISTRIES = tuple(
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("deb", "debian", "org"))
)
ELSEWHERE = re.compile(r"(?:index-url|find-links|trusted-host|registry)[ =:]+\"?(?:https?|file)://")
TEXT_SUFFIXES = {"", ".cfg", ".css", ".html", ".ini", ".js", ".json", ".jsonl", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}


def test_the_import_rules_of_pyproject_hold():
    run = subprocess.run([Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout + run.stderr


def test_no_module_is_a_drawer_for_anything():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}

    assert [path for path in SOURCES if drawers & set(path.relative_to(ROOT).with_suffix("").parts)] == []


def test_the_models_folder_holds_no_code():
    assert list((ROOT / "models").rglob("*.py")) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path: Path):
    text = path.read_text(encoding="utf-8")
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}

    assert text.count("\n") <= MAX_FILE_LINES
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}


def test_the_project_names_no_package_registry():
    named = [f"{path.relative_to(ROOT)}: {line.strip()}" for path in _written_files() for line in _lines(path) if _names_a_registry(line)]

    assert named == []


def _written_files() -> Iterator[Path]:
    top = [path for path in ROOT.iterdir() if path.is_file()]
    folders = (ROOT / name for name in (".ci", "benchmarks", "deploy", "docs", "models", "service", "tests", "training"))
    below = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    for path in (*top, *below):
        if path.suffix in TEXT_SUFFIXES and not {"__pycache__", ".peers"} & set(path.parts) and not path.name.startswith(".coverage"):
            yield path


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _names_a_registry(line: str) -> bool:
    return any(host in line for host in REGISTRIES) or ELSEWHERE.search(line) is not None

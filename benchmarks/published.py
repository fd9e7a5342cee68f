"""What benchmarks of trained models share: recipes written, published graphs opened on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime


def recipe_text(settings: Mapping[str, Any]) -> str:
    """Settings as the TOML of a recipe."""
    return "".join(f"{name} = {_toml(value)}\n" for name, value in settings.items())


def open_session(path: Path) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    """A graph on one thread of the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)

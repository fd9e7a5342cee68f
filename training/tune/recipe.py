"""A configuration as the text of a recipe."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from training.config import PATHS, RunConfig
from training.data.files import PACKAGE


def recipe_text(config: RunConfig, *, heading: str, found: Collection[str]) -> str:
    """The recipe that `carousel-train recipe` reads back as `config`, without what is as by default; settings `found` come last.

    Files of data are named by their whole paths, so that the recipe may be moved.
    """
    task = type(config).model_fields["task"].default
    settings = config.model_dump(exclude_defaults=True, exclude={"task", "name", "grid", "tune"})
    given = [_line(name, value) for name, value in settings.items() if name not in found]
    tried = [_line(name, getattr(config, name)) for name in found if getattr(config, name) is not None]
    return "\n".join([f"# {heading}", f'task = "{task}"', _line("name", config.name), *given, "", "# found", *tried, ""])


def _line(name: str, value: Any) -> str:  # noqa: ANN401 - a setting of any type
    if name in PATHS and not value.startswith(PACKAGE):
        value = str(Path(value).resolve())
    return f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:  # noqa: ANN401 - a setting of any type
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case dict():
            return "{ " + ", ".join(f"{_toml(str(key))} = {_toml(item)}" for key, item in value.items()) + " }"
        case tuple() | list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")

"""Write docs/manifest.md and docs/recipes.md from the code: `python -m docs.generate`. A test fails when a page and the code differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.contract.manifest import SCHEMA_VERSION, Manifest
from training.config import CONFIGS, RunConfig

PAGE = Path(__file__).with_name("manifest.md")
RECIPES_PAGE = Path(__file__).with_name("recipes.md")

Schema = dict[str, Any]

RECIPES_HEAD = """# Recipes

<!-- written by docs/generate.py: change training/config.py, run_config.py or next_word_config.py instead -->

A recipe is a flat TOML file: a line `task`, and those settings below that are not to be as by default. Each is a flag too,
`learning_rate` being `--learning-rate`, and a flag overrides the recipe. Paths of data are relative to the recipe, or
`package:NAME/PATH` for a file that an installed package ships. A model without a `name` is called like its file of data.

```toml
task = "forecast"
name = "sales"
data = "sales.csv"
time = "date"
target = "sold"
series = "shop"
future = ["promotion"]
horizon = 14
quantiles = [0.1, 0.5, 0.9]
only = { country = ["DE", "FR"] }
hidden = 64

[tune] # what `carousel-train tune` may choose
hidden = [32, 64, 128]
```
"""


def manifest_page() -> str:
    """The page as Markdown: one table for the manifest, one for each of its parts, in the order in which they are met."""
    schema = Manifest.model_json_schema()
    sections = [_section("Manifest", schema), *(_section(name, schema["$defs"][name]) for name in _parts(schema))]
    head = (
        "# Manifest\n\n"
        "<!-- written by docs/generate.py: change service/contract/manifest.py instead -->\n\n"
        f"`manifest.json`, schema version {SCHEMA_VERSION}. A field that stands in no table is refused, and so is a newer schema version.\n"
    )
    return "\n".join([head, *sections])


def recipes_page() -> str:
    """The page of settings as Markdown: one table for those of every task, one for those of each."""
    shared = RunConfig.model_json_schema()
    tasks = [(name, kind.model_json_schema()) for name, kind in CONFIGS.items()]
    own = [_settings(name, schema, _own(schema["properties"], shared["properties"])) for name, schema in tasks]
    return "\n".join([RECIPES_HEAD, _settings("Every task", shared, list(shared["properties"])), *own])


def _own(properties: Schema, shared: Schema) -> list[str]:
    """Settings that a task alone has, or that it has another default of."""
    return [name for name, field in properties.items() if name != "task" and shared.get(name) != field]


def _settings(title: str, schema: Schema, names: list[str]) -> str:
    rows = [_row(name, _given(schema["properties"][name]), needed=name in schema["required"]) for name in names]
    table = ["| setting | type | needed | meaning |", "|---|---|---|---|", *rows]
    return "\n".join([f"## {title}", "", schema["description"], "", *table, ""])


def _given(field: Schema) -> Schema:
    """A setting as a recipe may give it: TOML has no null, what is left out is none."""
    choices = [choice for choice in field.get("anyOf", []) if choice != {"type": "null"}]
    return {**field, "anyOf": choices} if choices else field


def _parts(schema: Schema) -> list[str]:
    found: list[str] = []
    waiting = list(_references(schema["properties"]))
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += _references(schema["$defs"][name].get("properties", {}))
    return found


def _references(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(target)}:
            yield target.rsplit("/", 1)[-1]
        case dict():
            for key, value in node.items():
                if key != "discriminator":  # names the same parts again
                    yield from _references(value)
        case list():
            for value in node:
                yield from _references(value)


def _section(title: str, part: Schema) -> str:
    required = [*part.get("required", []), "kind"]  # without its kind a task is not known
    rows = [_row(name, field, needed=name in required) for name, field in part["properties"].items()]
    table = ["| field | type | needed | meaning |", "|---|---|---|---|", *rows]
    prose = part.get("description", "")
    return "\n".join([f"## {title}", "", prose, "", *table, ""])


def _row(name: str, field: Schema, *, needed: bool) -> str:
    default = field.get("default")
    absent = f"no: `{json.dumps(default)}`" if default is not None else "no"
    return f"| `{name}` | {_type(field)} | {'yes' if needed else absent} | {field.get('description', '')} |"


def _type(field: Schema) -> str:
    match field:
        case {"$ref": str(target)}:
            name = target.rsplit("/", 1)[-1]
            return f"[{name}](#{name.lower()})"
        case {"oneOf": list(choices)} | {"anyOf": list(choices)}:
            return " or ".join(_type(choice) for choice in choices)
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": list(values)}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": dict() as values}:
            return f"object of {_type(values)}"
        case {"type": str(kind)}:
            return kind + _bounds(field)
        case _:
            return "any"


def _bounds(field: Schema) -> str:
    names = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}
    said = [f"{word} {field[key]}" for key, word in names.items() if key in field]
    if "pattern" in field:
        said.append(f"like `{field['pattern']}`")
    return f", {', '.join(said)}" if said else ""


if __name__ == "__main__":
    PAGE.write_text(manifest_page(), encoding="utf-8")
    RECIPES_PAGE.write_text(recipes_page(), encoding="utf-8")

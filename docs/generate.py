"""Write docs/manifest.md from the code: `python -m docs.generate`. A test fails when the page and the code differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.contract.manifest import SCHEMA_VERSION, Manifest

PAGE = Path(__file__).with_name("manifest.md")

Schema = dict[str, Any]


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

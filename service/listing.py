"""The artifacts of a folder as a table: what each one is, or why it is refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from service.lifecycle.registry import ModelRegistry
from service.served_model import ServedModel

Json = dict[str, Any]


def listing(registry: ModelRegistry) -> list[Json]:
    """A row for every version that is served or refused, by name and version."""
    names = [model.manifest.name for model in registry.newest()]
    rows = [_verified(registry.get(name, version)) for name in names for version in registry.versions(name)]
    rows += [{**asdict(refusal), "status": "refused"} for refusal in registry.refused]
    return sorted(rows, key=lambda row: (row["name"], row["version"]))


def table(rows: list[Json]) -> str:
    """The rows for people."""
    if not rows:
        return "no models"
    lines = [("NAME", "VERSION", "TASK", "SIZE", "PRECISION", "SCORE", "STATUS"), *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]) - 1)]
    return "\n".join("  ".join((*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1])) for line in lines)


def _verified(model: ServedModel) -> Json:
    card = model.card()
    return {
        "name": card["name"],
        "version": card["version"],
        "task": card["task"]["kind"],
        "bytes": sum(card["files"].values()),
        "precision": card["precision"],
        "scores": card["scores"],
        "status": "verified",
    }


def _cells(row: Json) -> tuple[str, ...]:
    named = (row["name"], str(row["version"]))
    if row["status"] == "refused":
        return (*named, "-", "-", "-", "-", f"refused: {row['reason']}")
    return (*named, row["task"], f"{row['bytes'] / 1e6:.1f} MB", row["precision"], _score(row["scores"]), "verified")


def _score(scores: Json) -> str:
    """The measure that counts, beside those of the naive baselines."""
    if not scores["model"]:
        return "-"
    measure, value = next(iter(scores["model"].items()))
    naive = ", ".join(f"{name} {found[measure]:.4g}" for name, found in scores["baselines"].items() if measure in found)
    return f"{measure} {value:.4g}" + (f" ({naive})" if naive else "")

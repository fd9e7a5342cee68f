"""What a published model is: task, signature, scores, and every weight counted."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.contract.manifest import ArtifactError, Manifest
from service.contract.repository import Artifact, load_artifact, locations
from training.quantize import int8_told
from training.terminal import score_table

GATE_NAMES = {"lstm": "4 gates: input, forget, cell, output", "gru": "3 gates: reset, update, new", "rnn": "1 gate"}


def find_artifact(root: Path, reference: str) -> Artifact:
    """The artifact that `NAME` (its newest version) or `NAME@VERSION` means, checked.

    Raises:
        ArtifactError: there is none, or it is not whole.
    """
    name, _, version = reference.partition("@")
    known = list(locations(root))
    found = [place for place in known if place.name == name and (not version or str(place.version) == version)]
    if not found:
        names = ", ".join(f"{place.name}@{place.version}" for place in known) or "none"
        raise ArtifactError(f"no model {reference!r} in {root}; there: {names}")
    return load_artifact(found[-1], root=root)


def show(manifest: Manifest, console: Console) -> None:
    """Print all of it."""
    console.print(f"[bold]{manifest.name}[/] version {manifest.version}: {manifest.task.kind}, published {manifest.created}")
    if manifest.description:
        console.print(manifest.description, markup=False)
    console.print(_task_table(manifest))
    console.print(_signature_table(manifest))
    console.print(score_table(manifest.scores))
    if manifest.scores.note:
        console.print(manifest.scores.note, markup=False)
    if manifest.int8 is not None:
        console.print(f"int8: {int8_told(manifest.int8)}", markup=False, highlight=False)
    console.print(parameter_count_table(manifest))


def parameter_count_table(manifest: Manifest) -> Table:
    """Name, shape, gates and count of every weight, and their total."""
    network = manifest.network
    title = f"{network.layers} x {network.cell.upper()} {network.hidden}"
    table = Table("parameter", "shape", "gates", title=title, caption=GATE_NAMES[network.cell], show_footer=True)
    table.columns[0].footer = "total"
    table.add_column("count", justify="right", footer=f"{network.total:,}")
    for entry in network.parameters:
        gates = "" if entry.gates is None else str(entry.gates)
        table.add_row(entry.name, _shape_text(entry.shape, entry.gates), gates, f"{entry.count:,}")
    return table


def _shape_text(shape: tuple[int, ...], gates: int | None) -> str:
    """The shape, its first axis as gates x hidden: `4*256 x 28`."""
    if gates is None:
        return " x ".join(map(str, shape))
    return " x ".join((f"{gates}*{shape[0] // gates}", *map(str, shape[1:])))


def _task_table(manifest: Manifest) -> Table:
    table = Table("task", manifest.task.kind)
    for name, value in manifest.task.model_dump(exclude={"kind"}).items():
        shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        table.add_row(name, shown)
    table.add_row("data", f"{manifest.data.source}, {manifest.data.rows:,} rows, sha256 {manifest.data.sha256[:12]}")
    return table


def _signature_table(manifest: Manifest) -> Table:
    table = Table("tensor", "datatype", "shape", "meaning", title="Signature (-1: any size)")
    for direction, specs in (("in", manifest.inputs), ("out", manifest.outputs)):
        for spec in specs:
            table.add_row(f"{direction} {spec.name}", spec.datatype, " x ".join(map(str, spec.shape)), spec.description)
    return table

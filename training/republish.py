"""Give a published model its graph in int8: as its next version, of the same network, held against the data it was scored on."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from service.contract.manifest import SCHEMA_VERSION, ArtifactError, Manifest
from service.contract.repository import GOLDEN_INT8, MANIFEST, ONNX_INT8, Artifact, file_entry, publish
from training.data.files import DataError
from training.export import Graph, replay_published
from training.quantize import int8_told, quantize
from training.recorded import recorded_config
from training.run import build_learner


def republish_in_int8(artifact: Artifact, *, models: Path, data: str | None, console: Console) -> Artifact:
    """Publish the next version of an artifact, with its graph in int8 and all else as it was. `data` says where its training data lie now.

    Raises:
        DataError: the data are not there, or not those that it was trained on.
        ArtifactError: the graph in int8 is not good enough.
    """
    before = artifact.manifest
    learner = build_learner(recorded_config(before, data), console)
    if learner.data.sha256 != before.data.sha256:
        raise DataError(f"{data or before.data.source} is not what {before.name} was trained on, by its sha256: give that with --data")
    with TemporaryDirectory(prefix="carousel-") as scratch:
        folder = Path(scratch)
        for name in before.files.keys() - {ONNX_INT8, GOLDEN_INT8}:
            (folder / name).write_bytes(artifact.read(name))
        int8 = quantize(learner, folder)
        console.print(f"int8: {int8_told(int8)}", markup=False, highlight=False)
        if not int8.published:
            raise ArtifactError(f"{before.name} version {before.version} stays as it is: {int8.reason}")

        def write(target: Path, version: int) -> Manifest:
            shutil.copytree(folder, target, dirs_exist_ok=True)
            changed = {
                "schema_version": SCHEMA_VERSION,
                "version": version,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "int8": int8,
                "files": {path.name: file_entry(path) for path in target.iterdir() if path.name != MANIFEST},
            }
            return before.model_copy(update=changed)

        graph = Graph(learner.network, before.inputs, before.outputs, before.state)  # of another network, but in the order of the files
        return publish(models, before.name, write=write, check=lambda published: replay_published(published, graph))

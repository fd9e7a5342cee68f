"""From a trained model to a published version: report, manifest, and the artifact checked as it lies on disk."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from service.contract.int8 import Int8
from service.contract.manifest import Json, Manifest, Network, ParameterEntry, Scores, Training
from service.contract.repository import ONNX, TORCHSCRIPT, Artifact, file_entry, publish
from training.config import PATHS, RunConfig
from training.data.files import source_name
from training.export import Graph, Run, onnx_run, parameter_table, replay_published
from training.learners.base import TaskLearner
from training.loop import Epoch
from training.pictures import loss_curves
from training.quantize import int8_told
from training.report import write_report

AnyLearner = TaskLearner[Any]
LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model, its graphs written into `folder` and measured through them."""

    config: RunConfig
    learner: AnyLearner
    history: list[Epoch]
    parity: dict[str, float]
    scores: Scores
    device: str
    folder: Path
    int8: Int8 | None = None

    @property
    def run(self) -> Run:
        """The exported ONNX graph."""
        return onnx_run(self.folder / ONNX)


def publish_trained(best: Trained, *, runs: int) -> Artifact:
    """Write report and manifest beside the exported graphs and publish all as the next version; `best` of `runs`.

    Raises:
        ArtifactError: what lies on disk does not answer its golden requests.
        OSError: the disk is full, or the folder of models not writable.
    """
    learner, config, answer = best.learner, best.config, best.run
    graph = learner.graph()
    parameters = parameter_table(learner.network, config.cell)
    for name, text in learner.files().items():
        (best.folder / name).write_text(text, encoding="utf-8")
    write_report(
        best.folder,
        title=config.name,
        facts=_facts(best, runs),
        scores=best.scores,
        pictures=[*learner.pictures(answer), loss_curves(best.history)],
        parameters=parameters,
        samples=learner.samples(answer),
        config=_recorded(config),
    )

    def write(folder: Path, version: int) -> Manifest:
        for path in best.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return _manifest(best, graph, parameters, folder, version)

    return publish(config.models, config.name, write=write, check=lambda artifact: replay_published(artifact, graph))


def _manifest(best: Trained, graph: Graph, parameters: tuple[ParameterEntry, ...], folder: Path, version: int) -> Manifest:
    config = best.config
    return Manifest(
        name=config.name,
        version=version,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        description=config.description,
        task=best.learner.task(),
        inputs=graph.inputs,
        outputs=graph.outputs,
        state=graph.state,
        network=Network(
            cell=config.cell,
            layers=config.layers,
            hidden=config.hidden,
            parameters=parameters,
            total=sum(entry.count for entry in parameters),
        ),
        data=best.learner.data,
        scores=best.scores,
        training=_training(best),
        parity=best.parity,
        int8=best.int8,
        files={path.name: file_entry(path) for path in folder.iterdir()},
    )


def _training(best: Trained) -> Training:
    return Training(
        config=_recorded(best.config),
        seed=best.config.seed,
        device=best.device,
        epochs=len(best.history),
        seconds=round(best.history[-1].seconds, 2),
        libraries={"python": platform.python_version(), **{name: version_of(name) for name in LIBRARIES}},
    )


def _recorded(config: RunConfig) -> Json:
    """The whole configuration, without folders of the machine it ran on."""
    settings = config.model_dump(mode="json", exclude={"models", "runs"})
    return {name: source_name(value) if name in PATHS and value else value for name, value in settings.items()}


def _facts(best: Trained, runs: int) -> list[tuple[str, str]]:
    config, data = best.config, best.learner.data
    return [
        ("Data", f"{data.source}, {data.rows:,} rows; {data.description}"),
        ("Network", f"{config.layers} x {config.cell.upper()} {config.hidden}"),
        (
            "Fit",
            f"{len(best.history)} epochs in {best.history[-1].seconds:.0f} s, seed {config.seed}"
            + (f", best of {runs}" if runs > 1 else ""),
        ),
        ("Exported", f"ONNX differs from torch by {best.parity[ONNX]:.1e}, TorchScript by {best.parity[TORCHSCRIPT]:.1e}"),
        *([("In int8", int8_told(best.int8))] if best.int8 is not None else []),
        ("Scored on", best.scores.split),
    ]

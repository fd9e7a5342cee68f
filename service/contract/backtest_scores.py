"""What the newest backtest of an artifact found, in a file beside its folder: an artifact never changes, and newer data measure it anew.

It is no part of the artifact: no hash covers it, and whatever is wrong with it keeps no model from being served.
"""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import Field, ValidationError

from service.contract.entry import Entry
from service.contract.repository import ONNX, Artifact

SUFFIX = ".backtest.json"
MAX_BYTES = 256_000
REMEDY = "run `carousel-train backtest` again, or remove the file"


class BacktestFault(ValueError):  # noqa: N818 - it says what is at fault
    """A file of scores that must not be shown: the message says what is wrong and what to do."""


class SeenBefore(Entry):
    """How much of what a backtest forecasts its model had met."""

    learned: float = Field(ge=0, le=1, description="Share of the forecast steps that the model was trained on.")
    chosen: float = Field(ge=0, le=1, description="Share that its run chose the best epoch and calibrated on.")
    unseen_windows: int = Field(description="Windows of each series, counted from its end, that hold neither.")


class BacktestScores(Entry):
    """Scores of rolling origins, the model beside what it was held against on the same windows."""

    created: str = Field(description="UTC time of the backtest, ISO 8601.")
    graph_sha256: str = Field(description="SHA-256 of the graph that forecast, the artifact's `model.onnx`.")
    source: str = Field(description="The file of the data.")
    sha256: str = Field(description="SHA-256 of that file.")
    horizon: int = Field(ge=1, description="Steps of a window.")
    windows: int = Field(ge=1, description="Windows that were forecast, of all series together.")
    absent: int = Field(ge=0, description="Windows left out: too little history, or nothing observed in the horizon.")
    seen: SeenBefore | None = Field(
        description="How much of it the model had met in training; none where the file is not the one it was trained on."
    )
    scores: dict[str, dict[str, float]] = Field(description="Forecaster (`model` is the model itself) -> measure -> value.")
    failed: dict[str, int] = Field(description="Forecaster -> windows that it could not forecast, where a naive forecast stands for it.")


def backtest_file(artifact: Artifact) -> Path:
    """Where the scores of an artifact lie, if there are any: `<root>/<name>/<version>.backtest.json`."""
    return artifact.folder.with_name(artifact.folder.name + SUFFIX)


def write_backtest(artifact: Artifact, scores: BacktestScores) -> Path:
    """Keep these scores as the artifact's newest: the file is there whole, or as it was.

    Raises:
        OSError: it cannot be written.
    """
    path = backtest_file(artifact)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(scores.model_dump_json(indent=1) + "\n", encoding="utf-8")
    beside.replace(path)
    return path


def read_backtest(artifact: Artifact) -> BacktestScores | None:
    """The scores of the artifact's newest backtest; none where there was none.

    Raises:
        BacktestFault: the file cannot be read, is no such file, or is of another graph.
    """
    path = backtest_file(artifact)
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise BacktestFault(f"{path.name} is no ordinary file, or over {MAX_BYTES} bytes: {REMEDY}")
        found = BacktestScores.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BacktestFault(f"{path.name} cannot be read: {error.strerror}: {REMEDY}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BacktestFault(f"{path.name}: {where or 'the whole'}: {first['msg']}: {REMEDY}") from error
    if found.graph_sha256 != artifact.manifest.files[ONNX].sha256:
        raise BacktestFault(f"{path.name} is of another graph than the {ONNX} that is here: {REMEDY}")
    return found

"""What is asked of a file of series: its columns, how far ahead, which quantiles."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.cgroup import usable_cores
from service.contract.manifest import ForecastTask
from service.offline.bad_file import BadFile
from service.offline.series_file import Columns
from service.served_model import ServedModel
from service.tasks.levels import Level, asked_levels

END_BYTES = 1 << 20
"""Of the data that are hashed: Parquet has its table of contents there."""


@dataclass(frozen=True, slots=True)
class Question:
    """Forecast the series of `data` into `output` on `at_once` threads."""

    task: ForecastTask
    data: Path
    output: Path
    columns: Columns
    horizon: int
    levels: Sequence[Level]
    at_once: int

    @classmethod
    def of(cls, model: ServedModel, given: dict[str, Any]) -> Question:
        """What flags say; what they leave out is as the model was trained.

        Raises:
            BadFile, QuestionError: no forecaster, or something that this one has not.
        """
        manifest = model.manifest
        task = manifest.task
        if not isinstance(task, ForecastTask):
            raise BadFile(f"{manifest.name!r} is a {task.kind} model and --data takes a forecaster: ask it with --input")
        config = manifest.training.config
        time = given["time"] or config.get("time")
        if time is None:
            raise BadFile(f"{manifest.name!r} does not say which column has the times: name it with --time")
        output = Path(given["out"])
        if output.suffix != ".parquet":
            raise BadFile(f"--out {output}: forecasts are written as Parquet: give it a name that ends in .parquet")
        return cls(
            task,
            Path(given["data"]),
            output,
            Columns(
                time,
                given["series"] or config.get("series"),
                given["target"] or task.target,
                task.past,
                task.future,
                tuple(column.name for column in task.static),
            ),
            _horizon(task, given["horizon"]),
            tuple(dict.fromkeys(asked_levels(task.quantiles, given["quantiles"] or task.quantiles))),
            given["at_once"] or usable_cores(),
        )

    def identity(self, model: ServedModel) -> dict[str, Any]:
        """What must be the same for a run to go on with the parts of another, by what it is called in a message."""
        manifest = hashlib.sha256(model.manifest.to_json().encode()).hexdigest()
        return {
            "data": _fingerprint(self.data),
            "model": {"name": model.manifest.name, "version": model.manifest.version, "sha256": manifest},
            "backend or precision": [model.backend_name, model.precision],
            "columns": {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.columns).items()},
            "horizon": self.horizon,
            "quantiles": [str(level) for level in self.levels],
        }


def _horizon(task: ForecastTask, wanted: int | None) -> int:
    if wanted is None:
        return task.horizon
    if not 1 <= wanted <= task.horizon:
        raise BadFile(f"--horizon {wanted}: this model forecasts 1 to {task.horizon} steps")
    return wanted


def _fingerprint(path: Path) -> dict[str, Any]:
    """Size, time of the last change and a hash of the end: reading all of it again would take as long as the forecasts."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        file.seek(max(0, status.st_size - END_BYTES))
        return {"bytes": status.st_size, "changed_ns": status.st_mtime_ns, "sha256_of_end": hashlib.sha256(file.read()).hexdigest()}

"""The configuration that a published model was trained with, as its manifest keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.contract.manifest import Manifest
from training.config import CONFIGS, PATHS, RunConfig, build_config
from training.data.files import PACKAGE


def recorded_config(manifest: Manifest, data: str | None) -> RunConfig:
    """The configuration without settings that this release has no more; `data` says where its data lie now, its other files lie beside.

    Raises:
        ConfigError: this release refuses one of the settings.
    """
    kind = CONFIGS[manifest.task.kind]
    settings: dict[str, Any] = {name: value for name, value in manifest.training.config.items() if name in kind.model_fields}
    if data is not None:
        beside = Path(data).parent
        for name in PATHS:
            if settings.get(name) and not settings[name].startswith(PACKAGE):
                settings[name] = str(beside / settings[name])
        settings["data"] = data
    return build_config(kind, settings)

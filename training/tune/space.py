"""What a search may change: for each task the settings that matter most, replaced or added to by those of `tune`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from service.contract.manifest import ForecastTask, Task
from training.config import ClassifyConfig, ConfigError, ForecastConfig, NextWordConfig, RunConfig, build_config

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, drawn evenly, or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False


Space = dict[str, Range | tuple[Value, ...]]
"""Setting -> the numbers or the choices that it may take."""

OF_EVERY_TASK = frozenset(
    ("cell", "cell_impl", "layers", "hidden", "dropout", "batch", "learning_rate", "schedule", "optimizer", "weight_decay", "clip", "ema")
)
"""Settings of every task that may be searched; the others say what is learned, how long, and where it goes."""
OF_THE_LOSS = {
    "forecast": frozenset(
        (
            "time",
            "target",
            "series",
            "past",
            "future",
            "static",
            "only",
            "horizon",
            "frequency",
            "time_zone",
            "resample",
            "gaps",
            "quantiles",
            "scaling",
            "base",
        )
    ),
    "next-word": frozenset(("validation_data", "test_data", "documents", "tokens", "vocabulary", "predict")),
    "classify": frozenset(("labels", "test_data", "test_labels", "label", "rows", "label_names")),
}
"""Settings that change what the loss is measured on, or its unit: losses under two values of one do not compare."""


def search_space(config: RunConfig, task: Task) -> Space:
    """The space of a configuration, `task` being what it would publish; its own values lie in it wherever `tune` does not say otherwise.

    Raises:
        ConfigError: `tune` names what is no setting, what cannot be searched, or a value that the setting does not take.
    """
    own = own_values(config, task)
    space: Space = {name: _with_own(given, own[name]) for name, given in _usual(config, own).items()}
    for name, given in config.tune.items():
        space[name] = _choices(config, task, name, given)
    return space


def own_values(config: RunConfig, task: Task) -> dict[str, Any]:
    """The configuration's own settings, with the context that it comes to where none is given."""
    values = config.model_dump(exclude={"grid", "tune"})
    if isinstance(task, ForecastTask) and values["context"] is None:
        values["context"] = task.context
    return values


def as_text(space: Space) -> str:
    """The space as JSON, to tell one from another."""
    return json.dumps({name: asdict(given) if isinstance(given, Range) else given for name, given in sorted(space.items())})


def _usual(config: RunConfig, own: dict[str, Any]) -> Space:
    every: Space = {"cell": ("lstm", "gru"), "learning_rate": Range(3e-4, 2e-2, log=True)}
    match config:
        case ForecastConfig():
            contexts = (max(own["context"] // 2, 1), own["context"], 2 * own["context"])
            sizes: Space = {"hidden": (32, 64, 128, 256), "layers": (1, 2), "batch": (32, 64, 128, 256), "context": contexts}
            return {**every, **sizes, "dropout": Range(0.0, 0.5)}
        case NextWordConfig():
            sizes = {"hidden": (64, 128, 256, 512), "layers": (1, 2), "batch": (16, 32, 64), "embedding": (64, 128, 256)}
            return {**every, **sizes, "dropout": Range(0.0, 0.6)}
        case ClassifyConfig():
            sizes = {"hidden": (32, 64, 128, 256), "layers": (1, 2, 3), "batch": (32, 64, 128)}
            return {**every, **sizes, "dropout": Range(0.0, 0.5)}
        case _:
            raise TypeError(f"no space for {type(config).__name__}")


def _with_own(given: Range | tuple[Value, ...], own: Any) -> Range | tuple[Value, ...]:  # noqa: ANN401 - a setting of any type
    """With the configuration's own value in it."""
    if isinstance(given, Range):
        return Range(min(given.low, own), max(given.high, own), given.log)
    return given if own in given else (*given, own)


def _choices(config: RunConfig, task: Task, name: str, given: Sequence[object]) -> tuple[Value, ...]:
    """What `tune` says of a setting, as the configuration takes it."""
    kind = type(config)
    if name not in kind.model_fields:
        raise ConfigError(f"tune: {name!r} is not a setting: see --help")
    if name in RunConfig.model_fields.keys() - OF_EVERY_TASK or name in OF_THE_LOSS[task.kind]:
        raise ConfigError(f"tune: {name!r} changes what is learned or measured, so trials would not compare: give it as a setting")
    if not given:
        raise ConfigError(f"tune: {name!r} has no value to try: give one or more")
    settings = config.model_dump(exclude={"grid", "tune"})
    return tuple(getattr(build_config(kind, settings | {name: value}), name) for value in given)

"""Run configuration: what a recipe (TOML) and flags may say, one class per task, every field documented and a flag of its own.

A recipe is a flat TOML file with a `task` line; flags override it; what neither says has the default below. Paths in a recipe are
relative to it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from service.contract.public_holidays import check_holidays
from service.contract.time_zone import check_zone
from training.next_word_config import NextWordConfig as NextWordConfig  # tasks are configured from here
from training.run_config import ConfigError as ConfigError
from training.run_config import RunConfig as RunConfig


class ForecastConfig(RunConfig):
    """A table with a time column -> a forecaster of one column."""

    task: Literal["forecast"] = "forecast"
    time: str = Field(description="Column of times.")
    target: str = Field(description="Column to forecast.")
    series: str | None = Field(default=None, description="Column that tells several series apart; one model learns them all.")
    past: tuple[str, ...] = Field(default=(), description="Columns known up to now.")
    future: tuple[str, ...] = Field(default=(), description="Columns known in advance, over the horizon too.")
    static: tuple[str, ...] = Field(
        default=(), description="Columns of text that are the same for all rows of a series: its store, its region."
    )
    only: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Keep only rows whose column has one of these texts.")
    horizon: int = Field(ge=1, le=100_000, description="Steps to forecast.")
    context: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Steps of history to look at; none: chosen from horizon and season."
    )
    frequency: str | None = Field(default=None, description="Step of the series (`h`, `D`, `B`, `15min`, `MS`, `ME`, ...); none: inferred.")
    resample: str | None = Field(
        default=None, description="Average rows over steps this long first (`15min`, `h`, `D`); none: as they are."
    )
    calendar: bool = Field(default=True, description="Derive hour, weekday and the like from the times.")
    time_zone: str | None = Field(
        default=None,
        description="IANA time zone of the times, such as `Europe/Berlin`: clock changes then neither lose nor double an hour.",
    )
    holidays: str | None = Field(
        default=None, description="Country, or part of one, whose public holidays count (`DE`, `US-CA`); needs the extra `holidays`."
    )
    quantiles: tuple[float, ...] = Field(default=(0.1, 0.5, 0.9), description="Levels to forecast; the median is always one of them.")
    scaling: Literal["window", "standard", "minmax"] = Field(
        default="window",
        description="Inside the graph: by each window's own level and spread, or by the training data's mean and deviation, or range.",
    )
    target_kind: Literal["auto", "real", "non-negative", "count"] = Field(
        default="auto",
        description="Values that forecasts may have: any, none below zero, or whole numbers from zero on; auto: as the data have them.",
    )
    gaps: Literal["missing", "error"] = Field(default="missing", description="Steps without a row: missing values, or an error.")
    head: Literal["linear", "mlp"] = Field(default="mlp", description="From state to quantiles: one layer, or a hidden layer between.")
    batch_norm: bool = Field(default=False, description="Batch normalisation in the head (Ioffe & Szegedy 2015).")
    base: Literal["auto", "none"] = Field(
        default="auto",
        description="Learn what a gate over the last value and the seasonal values leaves over (auto), or the values themselves.",
    )
    segment: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Steps of history that the recurrent layers read at once; none: a season of at least 12 steps that the context holds "
        "four times, else one.",
    )
    members: int = Field(default=1, ge=1, le=32, description="Networks in the one graph that answers by their mean, trained side by side.")
    conformal: bool = Field(
        default=True,
        description="Move the quantiles to where they cover what they say on the validation windows (Romano et al. 2019).",
    )
    windows: int | None = Field(default=None, ge=1, description="Training windows drawn per epoch; none: every one, at most 20,000.")

    @field_validator("quantiles")
    @classmethod
    def _quantiles(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < level < 1 for level in levels):
            raise ValueError("quantiles lie between 0 and 1, such as 0.1,0.5,0.9")
        return tuple(sorted({*levels, 0.5}))

    @field_validator("time_zone", "holidays")
    @classmethod
    def _known(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None:
            (check_zone if info.field_name == "time_zone" else check_holidays)(name)
        return name

    @model_validator(mode="after")
    def _columns_differ(self) -> ForecastConfig:
        named = [self.time, self.target, *self.past, *self.future, *self.static]
        if self.series and self.series not in self.static:  # each series may be a category
            named.append(self.series)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} has two roles: time, target, series, past, future and static are different columns")
        return self


class ClassifyConfig(RunConfig):
    """Labelled sequences -> a classifier."""

    task: Literal["classify"] = "classify"
    labels: str | None = Field(default=None, description="IDX file of the labels, where `data` is an IDX file of the sequences.")
    test_data: str | None = Field(default=None, description="Sequences for the scores; none: a share of `data`.")
    test_labels: str | None = Field(default=None, description="IDX file of their labels.")
    label: str | None = Field(default=None, description="Label column of a CSV; none: the last.")
    rows: int | None = Field(
        default=None, ge=1, description="Rows of a sequence in a CSV line, for example 28 for 784 pixels; none: one number a row."
    )
    label_names: tuple[str, ...] = Field(default=(), description="Names of the classes; none: the labels as they stand.")
    scaling: Literal["standard", "none"] = Field(
        default="standard", description="Inside the graph: by the training data's mean and deviation, or not at all."
    )


CONFIGS: dict[str, type[RunConfig]] = {"forecast": ForecastConfig, "next-word": NextWordConfig, "classify": ClassifyConfig}
"""Task -> its configuration."""
PATHS = ("data", "labels", "test_data", "test_labels", "validation_data")
"""Settings that name files of data."""
Config = TypeVar("Config", bound=RunConfig)


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings of a recipe, its paths made relative to the working directory.

    Raises:
        ConfigError: no such file, or not TOML.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"recipe {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"recipe {path} is not TOML: {error}") from error
    for key in PATHS:
        value = settings.get(key)
        if isinstance(value, str) and not value.startswith("package:"):
            settings[key] = str(path.parent / value)
    return settings


def build_config(kind: type[Config], settings: dict[str, Any]) -> Config:
    """Check settings against a task's configuration.

    Raises:
        ConfigError: a setting is missing, unknown or out of range.
    """
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(kind, item["loc"], item["type"], item["msg"]) for item in error.errors())) from error


def _explain(kind: type[RunConfig], location: tuple[int | str, ...], problem: str, message: str) -> str:
    name = str(location[0]) if location else "settings"
    flag = f"--{name.replace('_', '-')}"
    match problem:
        case "missing":
            return f"{flag} is needed: {kind.model_fields[name].description}"
        case "extra_forbidden":
            return f"{name!r} is not a setting of {kind.model_fields['task'].default}: see --help"
        case _:
            return f"{flag}: {message.removeprefix('Value error, ')}"

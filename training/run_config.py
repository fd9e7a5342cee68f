"""What every run may be told, and what is raised where it is told something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.contract.manifest import NAME_PATTERN


class ConfigError(ValueError):
    """A recipe or a flag that cannot be used; the message names it and says what can."""


class RunConfig(BaseModel):
    """What every run may be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    name: str = Field(pattern=NAME_PATTERN, description="Name under which the model is published.")
    data: str = Field(
        description="File to learn from, `package:NAME/PATH` for one that an installed package ships, or a folder of the four MNIST files."
    )
    models: Path = Field(default=Path("models"), description="Folder that the model is published in.")
    description: str = Field(default="", description="What the model is for; shown in its card.")
    licence: str = Field(default="", description="Licence of the data; kept in the manifest.")

    cell: Literal["lstm", "gru", "rnn"] = Field(default="lstm", description="Recurrent cell.")
    cell_impl: Literal["torch", "equations"] = Field(
        default="torch", description="torch.nn's cells, or those written out in training/cells.py."
    )
    layers: int = Field(default=1, ge=1, le=16, description="Recurrent layers.")
    hidden: int = Field(default=128, ge=1, le=8192, description="Width of the recurrent state.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of activations dropped in training.")

    epochs: int = Field(default=20, ge=1, description="Passes over the training data at the most.")
    batch: int = Field(default=64, ge=1, description="Rows of a training step.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Peak learning rate.")
    schedule: Literal["one-cycle", "constant"] = Field(
        default="one-cycle", description="Learning rate over the run (one-cycle: Smith 2018)."
    )
    optimizer: Literal["adamw", "adam"] = Field(default="adamw", description="Optimiser; AdamW decays weights (Loshchilov & Hutter 2019).")
    weight_decay: float = Field(default=0.01, ge=0, description="Weight decay of AdamW.")
    clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    ema: float = Field(
        default=0.0, ge=0, lt=1, description="Decay per step of the running average of weights that is published; 0: the last weights."
    )
    patience: int = Field(
        default=5, ge=0, description="Epochs without improvement on the validation split before stopping; 0: never stop early."
    )
    validation: float = Field(
        default=0.1, ge=0, lt=0.5, description="Share of the data held out to choose when to stop; 0: the training data serve."
    )
    test: float = Field(default=0.1, ge=0, lt=0.5, description="Share of the data held out for the scores; 0: the validation data serve.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of every random choice.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where to train; auto takes a GPU when there is one.")

    int8: bool = Field(
        default=True, description="Publish a graph in int8 beside the one in fp32, where it keeps its bounds and is smaller or faster."
    )
    grid: dict[str, list[Any]] = Field(
        default_factory=dict,
        description="Settings to compare, for example `dropout = [0.0, 0.3]`: every combination is trained, the best published.",
    )
    tune: dict[str, list[Any]] = Field(
        default_factory=dict,
        description="Choices of `carousel-train tune` for a setting, such as `hidden = [64, 96]`, instead of its own; one choice: fixed.",
    )
    runs: Path = Field(default=Path("runs"), description="Folder of checkpoints, for --resume.")
    allow_worse_than_naive: bool = Field(default=False, description="Publish even when a naive baseline does better.")

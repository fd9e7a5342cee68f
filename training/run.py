"""A run from top to bottom: data -> network -> fit -> export -> scores -> report -> published artifact."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from rich.table import Table

from service.contract.repository import ONNX, Artifact
from training.config import ClassifyConfig, ConfigError, ForecastConfig, NextWordConfig, RunConfig, build_config
from training.data.sequences import read_sequences
from training.data.series import choose_context, read_series
from training.data.text import read_text
from training.export import export, onnx_run
from training.learners.classify import ClassifyLearner
from training.learners.forecast import ForecastLearner
from training.learners.next_word import NextWordLearner
from training.loop import TrainingError, fit
from training.publish import AnyLearner, Trained, publish_trained
from training.quantize import int8_told, quantize
from training.terminal import FitDisplay, published_line, score_table

SAVE_EVERY_S = 10.0
"""Seconds between checkpoints, at the least."""


class WorseThanNaiveError(ValueError):
    """A model that a naive baseline beats; not published unless allowed."""


def run(config: RunConfig, *, resume: bool, console: Console) -> Artifact:
    """Train what `config` asks for, or the best of its grid, and publish it.

    Raises:
        DataError: rows that cannot be learned from.
        TrainingError: the loss is no longer a number, or there is nothing to resume.
        ArtifactError: what was exported does not compute what was trained.
        WorseThanNaiveError: a naive baseline does better and that is not allowed.
        KeyboardInterrupt: stopped; --resume goes on from the last checkpoint.
    """
    configs = _trials(config)
    checkpoints = [_checkpoint(config, number) for number in range(len(configs))]
    if resume and not any(path.exists() for path in checkpoints):
        raise TrainingError(f"no checkpoint in {checkpoints[0].parent} to resume: start without --resume")
    with TemporaryDirectory(prefix="carousel-") as scratch:
        trials = [
            _train(trial, Path(scratch) / path.stem, path, resume=resume and path.exists(), console=console)
            for trial, path in zip(configs, checkpoints, strict=True)
        ]
        best = min(trials, key=lambda trained: min(epoch.validation_loss for epoch in trained.history))
        if len(trials) > 1:
            console.print(_grid_table(config, trials, best))
        console.print(score_table(best.scores))
        if not best.scores.beats_naive:
            if not config.allow_worse_than_naive:
                raise WorseThanNaiveError(f"not published: {best.scores.note} Publish it with --allow-worse-than-naive.")
            console.print(best.scores.note, markup=False, highlight=False)
        if config.int8:
            int8 = quantize(best.learner, best.folder)
            console.print(f"int8: {int8_told(int8)}", markup=False, highlight=False)
            best = replace(best, int8=int8)
        artifact = publish_trained(best, runs=len(trials))
    _remove(checkpoints[0].parent)
    console.print(published_line(artifact))
    return artifact


def build_learner(config: RunConfig, console: Console) -> AnyLearner:
    """Read the data and build the network of a configuration.

    Raises:
        DataError: rows that cannot be learned from.
    """

    def echo(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    match config:
        case ForecastConfig():
            table = read_series(config, echo=echo)
            return ForecastLearner(config, table, context=choose_context(config, table.frequency))
        case NextWordConfig():
            return NextWordLearner(config, read_text(config, echo=echo))
        case ClassifyConfig():
            return ClassifyLearner(config, read_sequences(config, echo=echo))
        case _:
            raise TypeError(f"no learner for {type(config).__name__}")


def choose_device(wanted: str) -> torch.device:
    """The device of `auto | cpu | cuda`.

    Raises:
        TrainingError: cuda is wanted and not there.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise TrainingError("--device cuda: torch finds no CUDA device here; use --device auto or cpu")
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def _trials(config: RunConfig) -> list[RunConfig]:
    """The configuration itself, or one for every combination of its grid."""
    if not config.grid:
        return [config]
    unknown = sorted(set(config.grid) - set(type(config).model_fields))
    if unknown:
        raise ConfigError(f"grid: {unknown[0]!r} is not a setting: see --help")
    settings = config.model_dump(exclude={"grid"})
    return [
        build_config(type(config), settings | dict(zip(config.grid, values, strict=True)))
        for values in itertools.product(*config.grid.values())
    ]


def _train(config: RunConfig, folder: Path, checkpoint: Path, *, resume: bool, console: Console) -> Trained:
    torch.manual_seed(config.seed)
    learner = build_learner(config, console)
    device = choose_device(config.device)
    learner.network.to(device)
    with FitDisplay(console, config.name, epochs=config.epochs, steps=learner.steps_per_epoch * config.epochs) as display:
        history = fit(
            learner,
            config,
            checkpoint=checkpoint,
            resume=resume,
            save_every_s=SAVE_EVERY_S,
            on_step=display.on_step,
            on_epoch=display.on_epoch,
        )
    learner.network.to("cpu")
    learner.finish()
    folder.mkdir(parents=True)
    parity = export(learner.graph(), folder, trials=learner.trials(), goldens=learner.goldens())
    scores = learner.score(onnx_run(folder / ONNX))
    return Trained(config, learner, history, parity, scores, str(device), folder)


def _grid_table(config: RunConfig, trials: list[Trained], best: Trained) -> Table:
    measures = list(best.scores.model)[:2]
    table = Table("", *config.grid, "validation loss", *measures, title=f"{config.name}: {len(trials)} runs")
    for trained in trials:
        settings = [f"{getattr(trained.config, name)}" for name in config.grid]
        loss = min(epoch.validation_loss for epoch in trained.history)
        table.add_row("*" if trained is best else "", *settings, f"{loss:.4f}", *(f"{trained.scores.model[name]:.4g}" for name in measures))
    return table


def _checkpoint(config: RunConfig, number: int) -> Path:
    return config.runs / config.name / f"{number}.pt"


def _remove(checkpoints: Path) -> None:
    """Remove the checkpoints of a folder, and the folder unless something else lies there."""
    for path in (*checkpoints.glob("*.pt"), *checkpoints.glob("*.partial")):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        checkpoints.rmdir()

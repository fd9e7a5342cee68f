"""What a run shows in the terminal: the progress of a fit, and its scores."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from service.contract.manifest import Scores
from service.contract.repository import Artifact
from training.loop import Epoch

EPOCH_LINES = 20
"""Epochs of a fit that are printed, at the most: a fit of 500 prints every 25th."""


class FitDisplay:
    """A progress bar with the loss and the time left, and a line for an epoch now and then."""

    def __init__(self, console: Console, name: str, *, epochs: int, steps: int) -> None:
        """`steps` are those of the whole fit."""
        self._console = console
        self._name = name
        self._every = max(epochs // EPOCH_LINES, 1)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._bar = self._progress.add_task(name, total=steps)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        self._progress.stop()

    def on_step(self, step: int, loss: float) -> None:
        """A step is done."""
        self._progress.update(self._bar, completed=step, description=f"{self._name} loss {loss:.4f}")

    def on_epoch(self, epoch: Epoch) -> None:
        """An epoch is done."""
        if epoch.number == 1 or epoch.number % self._every == 0:
            losses = f"loss {epoch.train_loss:.4f}  validation {epoch.validation_loss:.4f}"
            self._console.print(f"epoch {epoch.number:>3}  {losses}  {epoch.seconds:.1f} s", highlight=False)


def published_line(artifact: Artifact) -> str:
    """What was published and where, with rich's markup."""
    manifest = artifact.manifest
    return f"published [bold]{manifest.name}[/] version {manifest.version} in {artifact.folder}"


def score_table(scores: Scores) -> Table:
    """Measures of the model beside those of the baselines."""
    table = Table("measure", "model", *scores.baselines, title=f"Scores on {scores.split}")
    for column in table.columns:
        column.overflow = "fold"  # names of baselines are never cut
    for measure, value in scores.model.items():
        rivals = [f"{rival[measure]:.4g}" if measure in rival else "" for rival in scores.baselines.values()]
        table.add_row(measure, f"{value:.4g}", *rivals)
    return table

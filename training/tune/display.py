"""What a search shows while it runs: a bar, and a line for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from training.loop import Epoch


class EndedTrial(Protocol):
    """A trial that ended or was given up, as Optuna keeps it."""

    @property
    def value(self) -> float | None:
        """Its loss."""

    @property
    def params(self) -> dict[str, Any]:
        """What it drew."""

    @property
    def user_attrs(self) -> dict[str, Any]:
        """`reason` why it was given up, where it was."""


class TuneDisplay:
    """A bar over the trials with the epoch that runs, and a line for each trial with the best so far."""

    def __init__(self, console: Console, *, trials: int, ended: int, epochs: int) -> None:
        """`ended` of the `trials` are done already; a trial has at most `epochs`."""
        self._console = console
        self._trials, self._ended, self._epochs = trials, ended, epochs
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._bar = self._progress.add_task(self._running(), total=trials, completed=ended)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        self._progress.stop()

    def on_epoch(self, epoch: Epoch) -> None:
        """An epoch of a trial is done."""
        said = f"epoch {epoch.number}/{self._epochs} validation {epoch.validation_loss:.4f}"
        self._progress.update(self._bar, description=f"{self._running()} {said}")

    def on_trial(self, ended: Sequence[EndedTrial]) -> None:
        """Another trial has ended, the last of `ended`."""
        self._ended = len(ended)
        last = ended[-1]
        losses = [(trial.value, number) for number, trial in enumerate(ended, 1) if trial.value is not None and _whole(trial)]
        best = f"best so far {min(losses)[0]:.4f} of trial {min(losses)[1]}" if losses else "none so far"
        result = f"{last.value:.4f}" if last.value is not None and _whole(last) else str(last.user_attrs["reason"])
        self._console.print(f"trial {len(ended):>3}  {result}  {shown_values(last.params)}  {best}", markup=False, highlight=False)
        self._progress.update(self._bar, completed=len(ended), description=self._running())

    def _running(self) -> str:
        return f"trial {min(self._ended + 1, self._trials)} of {self._trials}"


def shown_values(values: dict[str, Any]) -> str:
    """Settings in one line: `cell gru, hidden 64, learning_rate 0.0021`."""
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items())


def _whole(trial: EndedTrial) -> bool:
    return "reason" not in trial.user_attrs

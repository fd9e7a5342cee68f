"""Pictures of a run: loss curves, forecasts beside what came true, a confusion matrix."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from service.contract.frequency import Times

Values = NDArray[np.float32]

INK, SOFT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE, BAND = "#1d4ed8", "#d9480f", "#bfd3fb"
DOTS_PER_INCH = 144
LARGEST_MATRIX_WITH_COUNTS = 16
MOST_TICKS = 30


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, the name of its file without ending, and what it shows."""

    name: str
    title: str
    png: bytes


class EpochLosses(Protocol):
    """Mean losses of one pass over the data."""

    @property
    def number(self) -> int:
        """Which pass, from 1 on."""

    @property
    def train_loss(self) -> float:
        """On the training split."""

    @property
    def validation_loss(self) -> float:
        """On the validation split."""


def loss_curves(history: Sequence[EpochLosses]) -> Picture:
    """Training and validation loss over the epochs, the best epoch marked; a logarithmic scale where they fall twentyfold."""
    epochs = np.array([epoch.number for epoch in history])
    train = np.array([epoch.train_loss for epoch in history])
    validation = np.array([epoch.validation_loss for epoch in history])
    figure, axes = _figure(8.0, 3.6, "Loss over the epochs")
    axes.plot(epochs, train, color=SOFT, lw=1.6, marker="o" if len(epochs) < 2 else "", label="training")
    axes.plot(epochs, validation, color=BLUE, lw=1.8, marker="o" if len(epochs) < 2 else "", label="validation")
    if np.isfinite(validation).any():
        best = int(np.nanargmin(validation))
        axes.plot(epochs[best], validation[best], "o", color=ORANGE, ms=6, label=f"best: {validation[best]:.4g} in epoch {epochs[best]}")
    both = np.concatenate([train, validation])
    if np.nanmin(both) > 0 and np.nanmax(both) > 20 * np.nanmin(both):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch", color=SOFT)
    axes.set_ylabel("loss", color=SOFT)
    _legend(axes)
    return Picture("loss", "Loss over the epochs", _png(figure))


def forecast_plot(
    *,
    times: Times,
    actual: Values,
    forecast_times: Times,
    point: Values,
    low: Values,
    high: Values,
    split_time: np.datetime64,
    title: str,
    levels: tuple[float, float],
    sides: tuple[str, str] = ("training", "test"),
) -> Picture:
    """What came true over `times` (time,), and forecasts with their interval over `forecast_times` (steps,), each time one of `times`.

    A dashed line at `split_time` parts the two `sides`.
    """
    figure, axes = _figure(10.0, 4.2, title)
    axes.plot(times, actual, color=INK, lw=1.2, label="actual")
    jumps = np.flatnonzero(np.diff(np.searchsorted(times, forecast_times)) != 1) + 1
    for number, piece in enumerate(np.split(np.arange(len(forecast_times)), jumps)):
        share = f"{levels[1] - levels[0]:.0%} interval" if not number else None
        axes.fill_between(forecast_times[piece], low[piece], high[piece], color=BAND, alpha=0.75, lw=0, label=share)
        marker = "o" if len(piece) == 1 else ""
        axes.plot(forecast_times[piece], point[piece], color=BLUE, lw=1.7, marker=marker, ms=3, label=None if number else "forecast")
    split = date2num(split_time)  # type: ignore[no-untyped-call]  # matplotlib types its dates not
    axes.axvline(split, color=ORANGE, lw=1.3, ls=(0, (4, 3)))
    note: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "va": "top",
        "color": ORANGE,
        "fontsize": 9.5,
    }
    axes.annotate(sides[0], (split, 0.99), xytext=(-6, 0), ha="right", **note)
    axes.annotate(sides[1], (split, 0.99), xytext=(6, 0), ha="left", **note)
    axes.margins(x=0.01, y=0.12)
    _time_axis(axes)
    _legend(axes)
    return Picture("forecast", title, _png(figure))


def confusion_plot(matrix: NDArray[np.int64], names: Sequence[str]) -> Picture:
    """A confusion matrix (labels, predictions), shaded by the share of each label's row, with its counts where they can be read."""
    size = len(names)
    right = np.trace(matrix) / max(matrix.sum(), 1)
    side = float(np.clip(0.52 * size + 1.8, 4.2, 9.0))
    figure, axes = _figure(side, side, f"{right:.2%} right", pad=10)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if size <= LARGEST_MATRIX_WITH_COUNTS:
        for row, column in np.argwhere(matrix > 0).tolist():
            shade = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", color=shade, fontsize=9)
    ticks = np.arange(0, size, -(-size // MOST_TICKS))
    shown = [_plain(names[tick]) for tick in ticks.tolist()]
    axes.set_xticks(ticks, shown, rotation=90 if max(map(len, shown)) > 3 else 0)
    axes.set_yticks(ticks, shown)
    axes.set_xlabel("predicted", color=SOFT)
    axes.set_ylabel("label", color=SOFT)
    axes.grid(visible=False)
    return Picture("confusion", "Confusion matrix", _png(figure))


def bar_panels(name: str, title: str, panels: Mapping[str, Mapping[str, float]], *, marked: str = "") -> Picture:
    """A panel of bars for each heading: heading -> bar -> length. Bars called `marked` stand out."""
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    most = max(map(len, panels.values()))
    size = (max(4.4 * columns, 6.0), 0.6 + rows * (0.9 + 0.32 * most))
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    figure.suptitle(_plain(title), x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold")
    for number, (heading, bars) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        _dress(axes, heading, pad=8, size=10.5)
        places = np.arange(len(bars))[::-1]
        drawn = axes.barh(places, list(bars.values()), height=0.62, color=[BLUE if bar == marked else SOFT for bar in bars])
        axes.bar_label(drawn, fmt="%.4g", padding=3, color=INK, fontsize=8.5)
        axes.set_yticks(places, [_plain(bar) for bar in bars])
        axes.margins(x=0.2)
        axes.grid(visible=False, axis="y")
    return Picture(name, title, _png(figure))


def _figure(width: float, height: float, title: str, *, pad: float = 26) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    _dress(axes, title, pad=pad, size=12)
    return figure, axes


def _dress(axes: Axes, title: str, *, pad: float, size: float) -> None:
    axes.set_title(_plain(title), loc="left", color=INK, fontsize=size, fontweight="bold", pad=pad)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=SOFT, labelsize=9, length=0)
    axes.grid(visible=True, color=GRID, lw=0.7)
    axes.set_axisbelow(True)


def _time_axis(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]  # matplotlib types its dates not
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # as above


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, frameon=False, fontsize=9.5, labelcolor=INK, borderaxespad=0.2)


def _plain(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # names in a script that the font lacks are drawn as boxes, which is no reason to fail
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(stream, format="png")
    return stream.getvalue()

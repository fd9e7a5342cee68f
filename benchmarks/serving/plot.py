"""A picture of requests per second and p99 by server, at 16 and at 64 connections."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.serving.figures import Figures
from benchmarks.serving.questions import TASKS, Task

INK, SOFT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
OWN, OTHERS = ("#93b4f8", "#1d4ed8"), ("#cbd2d9", "#7b8794")
"""Colours at 16 and at 64 connections."""
AT = (16, 64)
LEFT_OUT = "Carousel without metrics"
DOTS_PER_INCH = 144


def draw(figures: Figures, path: Path, *, title: str) -> None:
    """Write the picture as a PNG."""
    ways = [way for way in figures.ways() if way != LEFT_OUT][::-1]  # bars are drawn from below
    figure = Figure(figsize=(11.5, 1.9 + 0.58 * len(ways)), layout="constrained", facecolor="white")
    figure.suptitle(title, color=INK, fontsize=13, fontweight="bold", x=0.01, ha="left")
    grid = figure.subplots(2, len(TASKS), sharey=True)
    for column, task in enumerate(TASKS):
        _rates(grid[0][column], figures, ways, task)
        _latencies(grid[1][column], figures, ways, task)
    handles = [grid[0][0].barh(0, 0, color=colour) for colour in OTHERS]
    figure.legend(handles, [f"{count} connections" for count in AT], loc="upper right", ncols=2, frameon=False, labelcolor=INK, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _rates(axes: Axes, figures: Figures, ways: list[str], task: Task) -> None:
    for place, way in enumerate(ways):
        for count, offset, colour in zip(AT, (0.2, -0.2), _colours(way), strict=True):
            rate = figures.median(way, task, count)
            if rate is None:
                continue
            axes.barh(place + offset, rate, height=0.38, color=colour)
            axes.annotate(f"{rate:,.0f}", (rate, place + offset), (3, 0), textcoords="offset points", va="center", fontsize=7, color=SOFT)
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _dress(axes, ways, f"{_named(task)}: requests per second (longer is better)")


def _latencies(axes: Axes, figures: Figures, ways: list[str], task: Task) -> None:
    for place, way in enumerate(ways):
        found = [p99 for count in AT if (p99 := figures.median(way, task, count, "p99_ms")) is not None]
        if len(found) < len(AT):
            continue
        colours = _colours(way)
        axes.plot(found, (place, place), color=colours[0], lw=2.5, zorder=2, solid_capstyle="round")
        axes.scatter(found, (place, place), color=colours, s=38, zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ms"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _dress(axes, ways, f"{_named(task)}: p99 (further left is better)")


def _dress(axes: Axes, ways: list[str], title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_yticks(range(len(ways)), ways)
    axes.set_ylim(-0.7, len(ways) - 0.3)
    for label in axes.get_yticklabels():
        own = label.get_text().startswith("Carousel")
        label.set(color=INK, fontweight="bold" if own else "normal", fontsize=8.5)
    axes.tick_params(which="both", colors=SOFT, length=0, labelsize=8)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(axis="x", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _colours(way: str) -> tuple[str, str]:
    return OWN if way.startswith("Carousel") else OTHERS


def _named(task: Task) -> str:
    return "Forecasts" if task == "forecast" else "Next words"

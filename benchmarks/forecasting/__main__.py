"""Accuracy of Carousel's forecasts on public data, beside the naive ones, statsforecast and published figures.

    python -m benchmarks.forecasting --data FOLDER [--sets m4-hourly,etth1-24,etth1-96,aep] [--seeds 3] [--members 1] [--cells lstm]
                                     [--epochs 30] [--peers AutoTheta,AutoETS]

FOLDER holds `m4_hourly/`, `etth1/` and `aep_hourly/` (benchmarks/forecasting/datasets.py says where they come from). Every model is trained
by `carousel-train` with one recipe; the part that is asked about is seen by none.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.forecasting import baselines, datasets, ours
from benchmarks.forecasting.figures import Figures, from_quantiles, measured
from benchmarks.results import table, write_section

HEADING = ("model", "sMAPE", "MASE", "OWA", "80% covers", "95% covers", "interval score", "minutes", "windows/s", "MB", "ms at batch 1")


def main() -> None:
    """Measure, and write a section for each data set."""
    options = _parser().parse_args()
    for name in options.sets.split(","):
        dataset = datasets.read(name, options.data)
        with tempfile.TemporaryDirectory() as folder:
            rows = list(_rows(dataset, Path(folder), options))
        members = f", {options.members} networks in one graph" if options.members > 1 else ""
        write_section(
            f"Forecasting: {name}{members}",
            command=f"python -m benchmarks.forecasting --sets {name} --seeds {options.seeds} --members {options.members}"
            f" --cells {options.cells} --epochs {options.epochs}",
            body=table(HEADING, rows),
        )


def _rows(dataset: datasets.Dataset, folder: Path, options: argparse.Namespace) -> Iterator[Sequence[object]]:
    questions = dataset.questions
    official = dataset.name == "m4-hourly"
    for cell in options.cells.split(","):
        found, models = [], []
        for seed in range(options.seeds):
            settings = {"cell": cell, "seed": seed, "members": options.members, "epochs": options.epochs}
            models.append(ours.train(dataset, folder / f"{cell}-{seed}", settings=settings))
            found.append(measured(questions, from_quantiles(ours.ask(models[-1], questions))))
            print(f"{dataset.name}, {cell}, seed {seed}: {found[-1]}, {models[-1].minutes:.1f} minutes", flush=True)
        facts = (
            f"{np.mean([model.minutes for model in models]):.1f}",
            f"{np.mean([ours.windows_per_second(model) for model in models]):,.0f}",
            f"{models[0].file_mb:.1f}",
            f"{ours.milliseconds(models[0], questions):.2f}",
        )
        seeds = "one seed" if options.seeds == 1 else f"{options.seeds} seeds"
        yield f"Carousel, {cell.upper()}, {seeds}", *_shown(found, official=official), *facts
    for name, forecasts in baselines.naive(questions).items():
        yield name, *_shown([measured(questions, forecasts)], official=official), "", "", "", ""
    for name in filter(None, options.peers.split(",")):
        found_by = measured(questions, baselines.statistical(name, dataset, folder))
        yield name, *_shown([found_by], official=official), "", "", "", ""
    for name, (error, scaled, weighted) in dataset.published.items():
        numbers = [f"{value:g}" if np.isfinite(value) else "" for value in (error, scaled, weighted)]
        yield f"{name} (published)", *numbers, *[""] * 7


def _shown(found: Sequence[Figures], *, official: bool) -> list[str]:
    """Means over seeds, with the spread where there are several; OWA only where its denominators are of this data."""
    cells = []
    for measure, digits in (("smape", 3), ("mase", 3), ("owa", 3), ("coverage_80", 3), ("coverage_95", 3), ("interval_score", 2)):
        values = np.array([getattr(one, measure) for one in found])
        if np.isnan(values).any() or (measure == "owa" and not official):
            cells.append("")
            continue
        spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
        cells.append(f"{values.mean():.{digits}f}{spread}")
    return cells


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the accuracy of forecasts on public data.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files")
    parser.add_argument("--sets", default="m4-hourly,etth1-24,etth1-96,aep")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=1, help="networks in one graph")
    parser.add_argument("--cells", default="lstm", help="lstm, gru, rnn, or several")
    parser.add_argument("--epochs", type=int, default=ours.RECIPE["epochs"])
    parser.add_argument("--peers", default="AutoTheta,AutoETS", help="some of them; none: an empty text")
    return parser


if __name__ == "__main__":
    main()

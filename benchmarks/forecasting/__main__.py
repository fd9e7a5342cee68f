"""Accuracy of Carousel's forecasts on public data, beside the naive ones, statsforecast and published figures.

    python -m benchmarks.forecasting --data FOLDER [--sets m4-hourly,etth1-24,etth1-96,aep] [--cells lstm,gru,rnn] [--seeds 3,1,1]
                                     [--members 1] [--epochs 30] [--peers AutoTheta,AutoETS,neuralforecast] [--keep FOLDER]

FOLDER holds `m4_hourly/`, `etth1/` and `aep_hourly/` (benchmarks/forecasting/datasets.py says where they come from). Every model is trained
by `carousel-train` with one recipe; the part that is asked about is seen by none. What lies in `--keep` already, a model or a peer's
forecasts, is taken as it is; a training that was stopped there goes on.
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
CELLS = ("lstm", "gru", "rnn")


def main() -> None:
    """Measure, and write a section for each data set."""
    options = _options()
    for name in options.sets.split(","):
        dataset = datasets.read(name, options.data)
        with tempfile.TemporaryDirectory() as scratch:
            rows = list(_rows(dataset, (options.keep or Path(scratch)) / name, options))
        body = f"{table(HEADING, rows)}\n\n{_remarks(dataset, options.peers)}"
        members = f", {options.members} networks in one graph" if options.members > 1 else ""
        write_section(
            f"Forecasting: {name}{members}",
            command=f"python -m benchmarks.forecasting --sets {name} --cells {','.join(options.cells)}"
            f" --seeds {','.join(map(str, options.seeds))} --members {options.members} --epochs {options.epochs}"
            f" --peers {','.join(options.peers) or repr('')}",
            body=body,
        )


def _rows(dataset: datasets.Dataset, folder: Path, options: argparse.Namespace) -> Iterator[Sequence[object]]:
    questions = dataset.questions
    official = dataset.name == "m4-hourly"
    budgets = []
    for cell, seeds in zip(options.cells, options.seeds, strict=True):
        found, models = [], []
        for seed in range(seeds):
            settings = {"cell": cell, "seed": seed, "members": options.members, "epochs": options.epochs}
            here = folder / f"{cell}-{options.members}x-{options.epochs}-epochs-seed-{seed}"
            models.append(ours.trained(dataset, here, settings=settings))
            found.append(measured(questions, from_quantiles(ours.ask(models[-1], questions))))
            print(f"{dataset.name}, {cell}, seed {seed}: {found[-1]}, {models[-1].minutes:.1f} minutes", flush=True)
        budgets.append(float(np.mean([model.minutes for model in models])))
        facts = (
            f"{budgets[-1]:.1f}",
            f"{np.mean([model.windows_per_second for model in models]):,.0f}",
            f"{models[0].file_mb:.1f}",
            f"{ours.milliseconds(models[0], questions):.2f}",
        )
        yield f"Carousel, {cell.upper()}, {'one seed' if seeds == 1 else f'{seeds} seeds'}", *_shown(found, official=official), *facts
    for name, forecasts in baselines.naive(questions).items():
        yield name, *_shown([measured(questions, forecasts)], official=official), "", "", "", ""
    for peer in options.peers:
        answers = baselines.answers(peer, dataset, folder, minutes=budgets[0])
        facts = (f"{answers.minutes:.1f}", f"{answers.windows_per_second:,.0f}" if answers.windows_per_second else "", "", "")
        yield baselines.NAMES[peer], *_shown([measured(questions, answers.forecasts)], official=official), *facts
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


def _remarks(dataset: datasets.Dataset, peers: Sequence[str]) -> str:
    """What a reader of the table should know."""
    told = ["Minutes of the fit, validation included; windows a second of it."]
    if {"AutoTheta", "AutoETS"} & set(peers):
        told.append("AutoTheta and AutoETS are fitted to each history; their minutes are those of one core for all of them.")
    if "neuralforecast" in peers:
        told.append(
            "neuralforecast's LSTM has its defaults and the minutes of the model in the first row. A step of its training is 128 windows of"
            f" {3 * dataset.questions.horizon} hours and the {dataset.questions.horizon} after them, drawn from those of up to 32 series."
        )
    return "\n".join(f"- {line}" for line in told)


def _options() -> argparse.Namespace:
    """What the command line says, a number of seeds for each cell."""
    parser = argparse.ArgumentParser(description="Measure the accuracy of forecasts on public data.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files")
    parser.add_argument("--sets", default="m4-hourly,etth1-24,etth1-96,aep")
    parser.add_argument("--seeds", default="3", help="trainings of each cell: one number for all, or one a cell, such as 3,1,1")
    parser.add_argument("--members", type=int, default=1, help="networks in one graph")
    parser.add_argument("--cells", default="lstm", help="lstm, gru, rnn, or several")
    parser.add_argument("--epochs", type=int, default=ours.RECIPE["epochs"])
    parser.add_argument("--peers", default=",".join(baselines.NAMES), help="some of them; none: an empty text")
    parser.add_argument("--keep", type=Path, help="folder to keep models and peers' forecasts, and to take from what was made before")
    options = parser.parse_args()
    try:
        seeds = seeds_by_cell(options.cells, options.seeds)
        options.peers = known_peers(options.peers)
    except ValueError as error:
        parser.error(str(error))
    options.cells, options.seeds = list(seeds), list(seeds.values())
    return options


def seeds_by_cell(cells: str, seeds: str) -> dict[str, int]:
    """`lstm,gru` and `3,1` -> {"lstm": 3, "gru": 1}; one number is for every cell.

    Raises:
        ValueError: not that many numbers, no number at all, or no such cell.
    """
    names, numbers = cells.split(","), seeds.split(",")
    if len(set(names)) < len(names) or not set(names) <= set(CELLS):
        raise ValueError(f"--cells {cells}: write some of {', '.join(CELLS)}, each once")
    if len(numbers) not in (1, len(names)) or not all(number.isdecimal() and int(number) for number in numbers):
        raise ValueError(f"--seeds {seeds}: write one number of at least 1 for all cells, or one for each of {cells}")
    return dict(zip(names, map(int, numbers * len(names)), strict=False))


def known_peers(peers: str) -> list[str]:
    """`AutoTheta,AutoETS` -> their names; an empty text -> none.

    Raises:
        ValueError: there is no such peer.
    """
    names = [name for name in peers.split(",") if name]
    if not set(names) <= set(baselines.NAMES):
        raise ValueError(f"--peers {peers}: write some of {', '.join(baselines.NAMES)}")
    return names


if __name__ == "__main__":
    main()

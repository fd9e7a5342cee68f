"""The recipes that reproduce tutorials, run on real data and held to what they should reach.

    python -m benchmarks.training [--data FOLDER] [--only NAME ...]

FOLDER holds `mnist/` with the four MNIST files and `sbux_2019_2020/SBUX.csv`, a year of daily Starbucks prices (any CSV of
Date, Open, High, Low, Close, Adj Close, Volume will do). A recipe whose data are not there is left out, and says so.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.results import table, write_section
from service.contract.manifest import Manifest
from training.config import ClassifyConfig, ForecastConfig, NextWordConfig, RunConfig, build_config, read_recipe
from training.run import run

RECIPES = Path(__file__).parents[1] / "training" / "recipes"


@dataclass(frozen=True, slots=True)
class Case:
    """A recipe, its data below the folder given, and what it is held to."""

    name: str
    kind: type[RunConfig]
    data: str | None
    wanted: str
    reached: Callable[[Manifest], str]
    holds: Callable[[Manifest], bool]


CASES = (
    Case(
        "six-sentences",
        NextWordConfig,
        None,
        "loss under 0.05, six of six right",
        lambda found: f"loss {math.log(found.scores.model['perplexity']):.4f}, {found.scores.model['top1'] * 6:.0f} of 6 right",
        lambda found: math.log(found.scores.model["perplexity"]) < 0.05 and found.scores.model["top1"] == 1,
    ),
    Case(
        "image-rows",
        ClassifyConfig,
        "mnist",
        "821,770 weights, test accuracy at least 98%",
        lambda found: f"{found.network.total:,} weights, {found.scores.model['accuracy']:.2%} of 10,000 test images",
        lambda found: found.network.total == 821_770 and found.scores.model["accuracy"] >= 0.98,
    ),
    Case(
        "share-price",
        ForecastConfig,
        "sbux_2019_2020/SBUX.csv",
        "MAE and RMSE in dollars beside the last value",
        lambda found: _beside(found, "last_value"),
        lambda found: {"mae", "rmse"} <= set(found.scores.baselines["last_value"]),
    ),
    Case(
        "regressor-head",
        ForecastConfig,
        None,
        "12 heads compared by MAE, the best better than the last value",
        lambda found: _beside(found, "last_value"),
        lambda found: found.scores.beats_naive,
    ),
)


def main() -> int:
    """Run the cases; 1 when one does not reach what it should."""
    parser = argparse.ArgumentParser(description="Run the tutorial recipes and check what they reach.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data (default: ../shared/data)")
    parser.add_argument("--only", nargs="+", choices=[case.name for case in CASES], help="run just these")
    options = parser.parse_args()
    rows, failed = [], []
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        if case.data and not (options.data / case.data).exists():
            print(f"{case.name}: left out, there is no {options.data / case.data}")
            continue
        row, holds = _run(case, options.data)
        rows.append(row)
        failed += [] if holds else [case.name]
    if not options.only:
        body = table(("recipe", "data", "should reach", "reached", "epochs", "minutes"), rows)
        write_section("Tutorial recipes", command="make bench-training", body=body)
    for row in rows:
        print(*row, sep=" | ")
    if failed:
        print(f"not reached: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(case: Case, data: Path) -> tuple[tuple[str, ...], bool]:
    with tempfile.TemporaryDirectory() as folder:
        settings = read_recipe(RECIPES / f"{case.name}.toml") | {"models": Path(folder, "models"), "runs": Path(folder, "runs")}
        if case.data:
            settings["data"] = str(data / case.data)
        started = time.monotonic()
        manifest = run(build_config(case.kind, settings), resume=False, console=Console()).manifest
    minutes = (time.monotonic() - started) / 60
    row = (case.name, manifest.data.source, case.wanted, case.reached(manifest), str(manifest.training.epochs), f"{minutes:.1f}")
    return row, case.holds(manifest)


def _beside(found: Manifest, baseline: str) -> str:
    rival = found.scores.baselines[baseline]
    return ", ".join(f"{name.upper()} {found.scores.model[name]:.3f} (last value {rival[name]:.3f})" for name in ("mae", "rmse"))


if __name__ == "__main__":
    sys.exit(main())

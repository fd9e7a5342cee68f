"""A backtest from top to bottom: artifact and data -> windows -> forecasts of the published graph and of its rivals -> scores, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from service.contract.backtest_scores import write_backtest
from service.contract.manifest import ArtifactError, ForecastTask
from service.contract.repository import ONNX, Artifact
from training.backtest.origins import Rolling, rolling_origins
from training.backtest.rivals import Forecasts, naive_forecasts, statistical_forecasts, statistical_models
from training.backtest.scores import MODEL, Backtest, measure, measure_series
from training.backtest.show import print_backtest, score_bars, worst_forecasts
from training.config import ForecastConfig
from training.export import Run, onnx_run
from training.learners.forecast_tensors import window_inputs
from training.metrics import seasonal_scale
from training.recorded import recorded_config

Values = NDArray[np.float32]

INSTALL = "AutoTheta and AutoETS are left out: pip install -c constraints.txt '.[backtest]'"
JSON_FILE = "backtest.json"


def backtest(
    artifact: Artifact, *, data: str | None, windows: int, statistical: bool, out: Path, json_file: Path | None, console: Console
) -> Backtest:
    """Forecast the last `windows` windows of each series, show how good that was beside its rivals, and write scores and pictures to `out`.

    `statistical`: AutoTheta and AutoETS among them. `json_file`: where the scores go instead of backtest.json in `out`. Those over all
    series go beside the artifact, too, for its card; a folder of models that cannot be written costs only that.

    Raises:
        ArtifactError: not a forecaster.
        DataError: rows that cannot be used, or no window.
        OSError: `out` cannot be written.
    """
    manifest = artifact.manifest
    config = recorded_config(manifest, data)
    task = manifest.task
    if not isinstance(config, ForecastConfig) or not isinstance(task, ForecastTask):
        raise ArtifactError(f"{manifest.name} is a {task.kind} model: only forecasters have backtests")
    rolling = rolling_origins(manifest, config, count=windows, echo=lambda line: console.print(line, markup=False, highlight=False))
    forecasts, failed = _forecast_all(artifact, task, rolling, statistical=statistical, console=console)
    found = _measured(artifact, task, rolling, forecasts, failed, asked=windows)
    print_backtest(found, console)
    out.mkdir(parents=True, exist_ok=True)
    for picture in (score_bars(found), worst_forecasts(found, rolling, forecasts[MODEL], task)):
        (out / f"{picture.name}.png").write_bytes(picture.png)
    written = json_file or out / JSON_FILE
    written.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    console.print(f"scores in {written}, pictures in {out}", markup=False, highlight=False)
    _tell_card(artifact, found, console)
    return found


def _tell_card(artifact: Artifact, found: Backtest, console: Console) -> None:
    try:
        told = write_backtest(artifact, found.for_card(graph_sha256=artifact.manifest.files[ONNX].sha256))
    except OSError as error:
        console.print(f"the model's card does not show them: {error}", style="yellow", markup=False, highlight=False)
    else:
        console.print(f"the model's card shows them, from {told}", markup=False, highlight=False)


def _forecast_all(
    artifact: Artifact, task: ForecastTask, rolling: Rolling, *, statistical: bool, console: Console
) -> tuple[dict[str, Forecasts], dict[str, int]]:
    """Forecasts by forecaster, the model's first, and of how many windows a statistical model could not."""
    histories = [rolling.history(window) for window in range(len(rolling.positions))]
    seasons = rolling.table.frequency.seasons
    models = statistical_models(seasons[0] if seasons else 1) if statistical else {}
    if statistical and not models:
        console.print(INSTALL, style="yellow", markup=False)
    with _progress(console) as progress:
        bars = {name: progress.add_task(name, total=len(histories)) for name in (MODEL, *models)}
        quantiles = _graph_quantiles(onnx_run(artifact.file(ONNX)), rolling, on_windows=partial(progress.advance, bars[MODEL]))
        forecasts = {MODEL: Forecasts(quantiles[..., task.quantiles.index(0.5)], quantiles)}
        forecasts |= naive_forecasts(histories, seasons=seasons, horizon=task.horizon)
        instead = forecasts[f"seasonal_naive_{seasons[0]}" if seasons else "last_value"].point
        failed = {}
        for name, model in models.items():
            forecasts[name], failed[name] = statistical_forecasts(
                model, histories, levels=task.quantiles, instead=instead, on_window=partial(progress.advance, bars[name])
            )
    return forecasts, {name: count for name, count in failed.items() if count}


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _graph_quantiles(run: Run, rolling: Rolling, *, on_windows: Callable[[float], None]) -> Values:
    """What the graph forecasts of all windows, (windows, horizon, levels)."""
    found = []
    for batch in rolling.batches():
        found.append(run(window_inputs(batch))["quantiles"])
        on_windows(len(found[-1]))
    return np.concatenate(found)


def _measured(
    artifact: Artifact, task: ForecastTask, rolling: Rolling, forecasts: dict[str, Forecasts], failed: dict[str, int], *, asked: int
) -> Backtest:
    manifest, table = artifact.manifest, rolling.table
    season = table.frequency.seasons[0] if table.frequency.seasons else 1
    histories = (rolling.history(window)[None] for window in range(len(rolling.positions)))
    scale = np.concatenate([seasonal_scale(history, season) for history in histories])
    actual = rolling.actual()
    scores = {name: measure(one, actual=actual, scale=scale, levels=task.quantiles) for name, one in forecasts.items()}
    return Backtest(
        model=manifest.name,
        version=manifest.version,
        source=table.data.source,
        sha256=table.data.sha256,
        horizon=task.horizon,
        asked=asked,
        windows=len(rolling.positions),
        absent=rolling.absent,
        seen=rolling.seen,
        scores=scores,
        failed=failed,
        series=measure_series(
            forecasts, actual=actual, scale=scale, levels=task.quantiles, series=rolling.series, ids=[one.id for one in table.series]
        ),
    )

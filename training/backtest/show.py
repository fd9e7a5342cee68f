"""What a backtest shows: scores beside those of the rivals, the worst series, and pictures of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.contract.manifest import ForecastTask
from training.backtest.origins import Rolling
from training.backtest.rivals import Forecasts
from training.backtest.scores import MODEL, Backtest, SeriesScores
from training.pictures import Picture, bar_panels, forecast_plot

MOST_SERIES = 10
"""Series of the table of the worst."""
PLOTTED_BEFORE = 3
"""Horizons of history in front of the forecasts of a picture."""
NEUTRAL = "coverage"
"""Begins the names of measures of which more is not better, nor is less."""


def print_backtest(found: Backtest, console: Console) -> None:
    """Print the scores, what part of them the model had met in training, and the worst series."""
    console.print(_score_table(found))
    for line in _warnings(found):
        console.print(line, style="yellow", markup=False, highlight=False)
    if len(found.series) > 1:
        console.print(_series_table(found))


def score_bars(found: Backtest) -> Picture:
    """One panel for each measure: the model beside its rivals."""
    measures = list(dict.fromkeys(name for scores in found.scores.values() for name in scores))
    panels = {
        _headed(measure): {_called(name): scores[measure] for name, scores in found.scores.items() if measure in scores}
        for measure in measures
    }
    return bar_panels("backtest", _title(found), panels, marked=MODEL)


def worst_forecasts(found: Backtest, rolling: Rolling, forecasts: Forecasts, task: ForecastTask) -> Picture:
    """The worst series: what came true, and the model's forecasts of all its windows."""
    worst = found.worst(1)[0]
    number = [one.id for one in rolling.table.series].index(worst.id)
    series, rows = rolling.table.series[number], np.flatnonzero(rolling.series == number)
    steps = (rolling.origin[rows][:, None] + np.arange(task.horizon)).ravel()
    begin = max(int(steps[0]) - PLOTTED_BEFORE * task.horizon, 0)
    times = series.times(rolling.table.frequency)
    point, quantiles = forecasts.point[rows], forecasts.quantiles
    low, high = (point, point) if quantiles is None else (quantiles[rows, :, 0], quantiles[rows, :, -1])
    picture = forecast_plot(
        times=times[begin : steps[-1] + 1],
        actual=series.target[begin : steps[-1] + 1],
        forecast_times=times[steps],
        point=point.ravel(),
        low=low.ravel(),
        high=high.ravel(),
        split_time=times[steps[0]],
        title=f"{task.target}: {worst.windows} forecasts" + (f" of the worst series ({worst.id})" if worst.id else ""),
        levels=(task.quantiles[0], task.quantiles[-1]),
        sides=("before", "backtest"),
    )
    return replace(picture, name="worst")


def _score_table(found: Backtest) -> Table:
    measures = list(found.scores[MODEL])
    table = Table(title=_title(found), caption=_seen(found))
    table.add_column("", no_wrap=True)
    for measure in measures:
        table.add_column(_headed(measure), justify="right", overflow="fold")
    for name in found.scores:
        table.add_row(_called(name), *(_score(found, name, measure) for measure in measures))
    return table


def _score(found: Backtest, name: str, measure: str) -> str:
    """The value, bold where it is the least of all."""
    value = found.scores[name].get(measure)
    if value is None:
        return ""
    least = min(scores[measure] for scores in found.scores.values() if measure in scores)
    best = value == least and not measure.startswith(NEUTRAL)
    return f"[bold green]{value:.4g}[/]" if best else f"{value:.4g}"


def _title(found: Backtest) -> str:
    many = f" of {len(found.series)} series" if len(found.series) > 1 else ""
    return f"{found.model} version {found.version}: {found.windows} windows{many}, {found.horizon} steps each"


def _seen(found: Backtest) -> str:
    if found.seen is None:
        return f"seen in training: not known, {found.source} is not the file that it was trained on"
    return f"of the forecast steps {found.seen.learned:.0%} were seen in training, {found.seen.chosen:.0%} in validation"


def _warnings(found: Backtest) -> list[str]:
    lines = []
    if found.seen is not None and (found.seen.learned or found.seen.chosen):
        remedy = f"--windows {found.seen.unseen_windows}" if found.seen.unseen_windows else "newer data"
        lines.append(f"the model has met some of these steps in training and looks better than it is: take {remedy}")
    if found.absent:
        lines.append(f"windows left out, with too little history or nothing observed in the horizon: {found.absent}")
    lines += [
        f"{_called(name)} could not forecast {count} windows: the naive forecast stands there" for name, count in found.failed.items()
    ]
    return lines


def _series_table(found: Backtest) -> Table:
    worst = found.worst(MOST_SERIES)
    table = Table("series", title=f"The worst {len(worst)} of {len(found.series)} series")
    for heading in ("windows", "mae", "mase", "best rival", "its mae", "its mase"):
        table.add_column(heading, justify="left" if heading == "best rival" else "right", overflow="fold")
    for one in worst:
        rival = _best_rival(one)
        own, its = one.scores[MODEL], one.scores[rival]
        numbers = (f"{scores[measure]:.4g}" if measure in scores else "" for scores in (own, its) for measure in ("mae", "mase"))
        own_mae, own_mase, its_mae, its_mase = numbers
        table.add_row(escape(one.id or ""), str(one.windows), own_mae, own_mase, _called(rival), its_mae, its_mase)
    return table


def _best_rival(one: SeriesScores) -> str:
    return min((name for name in one.scores if name != MODEL), key=lambda name: one.scores[name].get("mae", np.inf))


def _called(name: str) -> str:
    return {"auto_theta": "AutoTheta", "auto_ets": "AutoETS"}.get(name, name.replace("_", " "))


def _headed(measure: str) -> str:
    """`coverage_0.1_0.9` as `coverage 0.1-0.9`."""
    name, _, levels = measure.partition("_")
    return f"{name} {levels.replace('_', '-')}".strip()

"""The questions of TimeGPT's protocol as dialogues with a forecaster's graph; answers ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.compat.nixtla_series import Panel, panel
from service.api.compat.nixtla_wire import (
    NixtlaAnomalyBody,
    NixtlaCrossValidationBody,
    NixtlaForecastBody,
    NixtlaOnlineAnomalyBody,
    absent,
)
from service.api.compat.windows import Rolled, Window, at_ends, at_last_origins, forecasts_of, over_steps, unbroken
from service.contract.manifest import ForecastTask
from service.tasks.anomalies import Scores, scores
from service.tasks.dialogue import Dialogue, QuestionError, Where
from service.tasks.history import Values
from service.tasks.levels import widest

Percent = int | float


def in_its_terms(dialogue: Dialogue[dict[str, Any]]) -> Dialogue[dict[str, Any]]:
    """The same dialogue, its errors leading into the body that the client sent."""
    try:
        return (yield from dialogue)
    except QuestionError as error:
        match error.where:
            case ("horizon", *_):
                where: Where = ("h",)
            case ("series", int(position), *_):
                where = ("series", "sizes", position)
            case _:
                where = error.where
        raise QuestionError(error.message, where=where) from error


def forecast(task: ForecastTask, body: NixtlaForecastBody) -> Dialogue[dict[str, Any]]:
    """The steps after each series."""
    absent(body)
    sent = panel(task, body, horizon=body.h)
    found = yield from _rolled(task, sent, at_ends(sent.histories, horizon=body.h), horizon=body.h, levels=body.level)
    return {"mean": found.point, "intervals": _intervals(found, body.level), "weights_x": None}


def cross_validation(task: ForecastTask, body: NixtlaCrossValidationBody) -> Dialogue[dict[str, Any]]:
    """Windows of each series, each forecast from what came before it."""
    absent(body)
    sent = panel(task, body, past=body.hist_exog)
    if body.full_history:
        horizon, windows = task.horizon, _whole(task, sent)
    else:
        step = body.step_size or body.h
        horizon, windows = body.h, at_last_origins(task, sent.histories, horizon=body.h, windows=body.n_windows, step=step)
    found = yield from _rolled(task, sent, windows, horizon=horizon, levels=body.level)
    return {
        "mean": found.point,
        "intervals": _intervals(found, body.level),
        "weights_x": None,
        "sizes": _sizes(sent, found),
        "idxs": _places(sent, found),
    }


def anomalies(task: ForecastTask, body: NixtlaAnomalyBody) -> Dialogue[dict[str, Any]]:
    """Every step that can be judged, the model's horizon at a time."""
    absent(body)
    sent = panel(task, body)
    found = yield from _rolled(task, sent, _whole(task, sent), horizon=task.horizon, levels=[body.level])
    intervals = _intervals(found, [body.level])
    outside = np.abs(_score(sent, found, body.level)) > 1
    return {"mean": found.point, "intervals": intervals, "weights_x": None, "sizes": _sizes(sent, found), "anomaly": outside}


def online_anomalies(task: ForecastTask, body: NixtlaOnlineAnomalyBody) -> Dialogue[dict[str, Any]]:
    """The last steps of each series."""
    absent(body)
    if body.threshold_method != "univariate":
        raise QuestionError("each series is judged by itself here: send 'univariate'", where=("threshold_method",))
    sent = panel(task, body, past=body.hist_exog)
    windows = over_steps(task, sent.histories, ahead=min(body.step_size or body.h, body.h), last=body.detection_size)
    found = yield from _rolled(task, sent, windows, horizon=body.h, levels=[body.level])
    score = _score(sent, found, body.level)
    return {
        "mean": found.point,
        "intervals": _intervals(found, [body.level]),
        "weights_x": None,
        "sizes": _sizes(sent, found),
        "idxs": _places(sent, found),
        "anomaly": np.abs(score) > 1,
        "anomaly_score": score,
    }


def _whole(task: ForecastTask, sent: Panel) -> list[Window]:
    """Windows of the model's horizon back from the end of each series: the client takes what it gets for the last steps."""
    return unbroken(sent.histories, over_steps(task, sent.histories, ahead=task.horizon))


def _rolled(
    task: ForecastTask, sent: Panel, windows: Sequence[Window], *, horizon: int, levels: Sequence[Percent] | None
) -> Dialogue[Rolled]:
    """Forecasts of the windows with the ends of the levels."""
    quantiles = sorted({end for level in levels or () for end in _ends(level)})
    most = widest(task.quantiles)
    if levels and max(levels) > most:
        known = f"{task.quantiles[0]:g} to {task.quantiles[-1]:g}"
        raise QuestionError(f"{max(levels)}: this model gives quantiles from {known}, so ask for at most {most:g}", where=("level",))
    return (yield from forecasts_of(task, sent.histories, windows, horizon=horizon, quantiles=quantiles))


def _intervals(found: Rolled, levels: Sequence[Percent] | None) -> dict[str, Values] | None:
    if levels is None:
        return None
    ends: dict[str, Values] = {}
    for level in levels:
        low, high = _ends(level)
        ends |= {f"lo-{level}": found.quantiles[low], f"hi-{level}": found.quantiles[high]}
    return ends


def _sizes(sent: Panel, found: Rolled) -> list[int]:
    sizes: list[int] = np.bincount(found.series, minlength=len(sent.histories)).tolist()
    return sizes


def _places(sent: Panel, found: Rolled) -> NDArray[np.int64]:
    """Where the steps that were forecast lie in all values that were sent."""
    places: NDArray[np.int64] = np.array(sent.bounds)[found.series] + found.place
    return places


def _score(sent: Panel, found: Rolled, level: Percent) -> Scores:
    """How far each step lies from its median, in half-intervals, below it negative: more than 1 is outside; NaN where there is no value."""
    low, high = _ends(level)
    return scores(sent.values[_places(sent, found)], found.point, found.quantiles[low], found.quantiles[high])


def _ends(level: Percent) -> tuple[float, float]:
    """The quantiles at which a central interval of so many percent ends; ends as near as the sixth digit are one."""
    return round((100 - level) / 200, 6), round((100 + level) / 200, 6)

"""AutoTheta or AutoETS of statsforecast: python forecast.py MODEL QUESTIONS.npz ANSWERS.npz."""

from __future__ import annotations

import sys
import time

import numpy as np
from statsforecast.models import AutoETS, AutoTheta

SEASON = 24


def main() -> None:
    """Fit to each history and forecast it."""
    model, source, target = sys.argv[1:]
    questions = np.load(source)
    horizon = int(questions["horizon"])
    points, intervals, began = [], [], time.process_time()
    for history in questions["history"]:
        known = history[np.flatnonzero(~np.isnan(history))[0] :].astype(np.float64)
        missing = np.isnan(known)
        known[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), known[~missing])
        found = _model(model).forecast(y=known, h=horizon, level=[80, 95])
        points.append(found["mean"])
        intervals.append(np.stack([found["lo-80"], found["hi-80"], found["lo-95"], found["hi-95"]], axis=-1))
    seconds = time.process_time() - began  # of one core
    np.savez(target, point=np.array(points, np.float32), intervals=np.array(intervals, np.float32), seconds=seconds)


def _model(name: str) -> AutoTheta | AutoETS:
    match name:
        case "AutoTheta":
            return AutoTheta(season_length=SEASON)
        case "AutoETS":
            return AutoETS(season_length=SEASON)
        case _:
            raise SystemExit(f"no model {name}: AutoTheta or AutoETS")


if __name__ == "__main__":
    main()

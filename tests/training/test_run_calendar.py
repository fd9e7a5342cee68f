"""Whole runs of series whose calendar is not a plain one: the ends of months, a time zone with holidays."""

import numpy as np
import pandas as pd

from service.tasks.dialogue import converse
from service.tasks.forecast import History, forecast, on_grid
from training.config import ForecastConfig
from training.export import onnx_run
from training.run import run


def published(times, values, tmp_path, console, **settings):
    data = tmp_path / "load.csv"
    pd.DataFrame({"time": times, "load": values}).to_csv(data, index=False)
    small = {"hidden": 8, "epochs": 1, "windows": 64, "batch": 32, "int8": False, "allow_worse_than_naive": True}
    given = {"name": "load", "data": str(data), "time": "time", "target": "load", "models": tmp_path / "models", "runs": tmp_path / "runs"}
    return run(ForecastConfig.model_validate(given | small | settings), resume=False, console=console)


def answer(artifact, timestamps):
    history = on_grid(artifact.manifest.task, History(np.arange(len(timestamps), dtype=np.float32)), timestamps, where=())
    [found] = converse(forecast(artifact.manifest.task, [history]), onnx_run(artifact.file("model.onnx")))
    return found


def test_a_model_of_the_ends_of_months_is_trained_and_answers_with_the_next(tmp_path, console):
    ends = pd.date_range("2014-01-31", periods=140, freq="ME")
    artifact = published(ends.strftime("%Y-%m-%d"), 10 + np.sin(np.arange(140) / 6), tmp_path, console, horizon=3, context=12)

    assert artifact.manifest.task.frequency == "ME"
    assert artifact.manifest.task.calendar == ("month_of_year",)
    found = answer(artifact, [f"{end:%Y-%m-%d}" for end in pd.date_range("2025-01-31", periods=12, freq="ME")])
    assert found.timestamps == ["2026-01-31T00:00:00", "2026-02-28T00:00:00", "2026-03-31T00:00:00"]


def test_a_model_of_local_hours_with_holidays_is_trained_and_answers_across_a_change(tmp_path, console):
    hours = pd.date_range("2026-03-20", "2026-05-10", freq="h", tz="Europe/Berlin")
    values = 10 + np.sin(2 * np.pi * hours.hour.to_numpy() / 24)
    settings = {"horizon": 3, "context": 24, "time_zone": "Europe/Berlin", "holidays": "DE"}
    artifact = published([time.isoformat() for time in hours], values, tmp_path, console, **settings)

    task = artifact.manifest.task
    assert (task.frequency, task.time_zone, task.holidays) == ("h", "Europe/Berlin", "DE")
    assert task.calendar == ("hour_of_day", "day_of_week", "holiday", "holiday_eve")
    found = answer(artifact, [time.isoformat() for time in pd.date_range("2026-10-24T03:00", periods=24, freq="h", tz="Europe/Berlin")])
    assert found.timestamps == ["2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00", "2026-10-25T04:00:00+01:00"]

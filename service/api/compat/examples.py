"""Questions of other services' clients for the docs page, each of which a bundled model answers as it stands."""

from __future__ import annotations

from typing import Any

from service.api.examples import Question, hourly_load

_HOURS = hourly_load(72)
_SPIKED = [*_HOURS[:-5], 9.5, *_HOURS[-4:]]
_NIXTLA: dict[str, Any] = {"model": "energy-load", "freq": "h", "level": [80]}
_DAYS: dict[str, Any] = {"y": _HOURS, "sizes": [len(_HOURS)], "start_datetime": ["2026-01-05T00:00:00"]}
_SPIKE: dict[str, Any] = {"y": _SPIKED, "sizes": [len(_SPIKED)], "start_datetime": ["2026-01-05T00:00:00"]}

FORECAST = (Question("energy-load", "the next day, with the interval that holds 80%", {**_NIXTLA, "series": _DAYS, "h": 24}),)
CROSS_VALIDATION = (
    Question("energy-load", "the last two half days, each ahead of it", {**_NIXTLA, "series": _DAYS, "h": 12, "n_windows": 2}),
)
ANOMALIES = (Question("energy-load", "three days with a spike", {**_NIXTLA, "series": _SPIKE, "level": 80}),)
ONLINE_ANOMALIES = (
    Question(
        "energy-load",
        "the last six of these hours",
        {**_NIXTLA, "series": _SPIKE, "level": 80, "h": 6, "detection_size": 6, "step_size": 1},
    ),
)
TIMESERIES = (
    Question(
        "energy-load",
        "the next day from three days of hours",
        {
            "model": "energy-load",
            "inputs": [
                {
                    "type": "univariate_time_series",
                    "name": "building-1",
                    "series": _HOURS,
                    "frequency": "hour",
                    "start_timestamp": "2026-01-05T00:00:00Z",
                }
            ],
            "options": {"horizon": 24, "quantiles": [0.1, 0.9]},
        },
    ),
)

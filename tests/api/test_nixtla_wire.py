"""What TimeGPT's protocol may send and its client does not: sizes that lie, numbers that are none, questions without measure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.compat import nixtla_series
from service.app import create_app
from service.settings import Settings
from tests import artifacts

from .conftest import serving

FORECAST = "/nixtla/v2/forecast"
WINDOWS = "/nixtla/v2/cross_validation"
ANOMALIES = "/nixtla/v2/anomaly_detection"
ONLINE = "/nixtla/v2/online_anomaly_detection"
Y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with one forecaster of days, three ahead, and another model."""
    root: Path = tmp_path_factory.mktemp("models")
    artifacts.publish(root, "daily", artifacts.forecaster())
    artifacts.publish(root, "words", artifacts.next_word())
    with serving(create_app(Settings(models=root))) as address, httpx.Client(base_url=address) as client:
        yield client


def question(series: dict[str, Any] | None = None, **more: object) -> dict[str, Any]:
    return {"series": {"y": Y, "sizes": [7], **(series or {})}, "model": "daily", "freq": "D", "h": 3, **more}


@pytest.mark.parametrize(
    ("route", "body", "detail"),
    [
        (FORECAST, question({"sizes": [6]}), "series.sizes: the sizes add up to 6, and there are 7 values: send as many as they say"),
        (FORECAST, question({"sizes": [4, 10**9]}), "series.sizes: the sizes add up to 1000000004, and there are 7 values"),
        (FORECAST, question({"sizes": [8, -1]}), "series.sizes.1: this should be greater than or equal to 1"),
        (FORECAST, question({"sizes": [0, 7]}), "series.sizes.0: this should be greater than or equal to 1"),
        (FORECAST, question({"sizes": []}), "series.sizes: List should have at least 1 item"),
        (FORECAST, question({"y": [1] * 10_001, "sizes": [1] * 10_001}), "series.sizes: 10001 series: at most 10000 in one request"),
        (FORECAST, question({"y": ["1", *Y[1:]]}), "series.y.0: this should be a valid number"),
        (FORECAST, question({"y": [1e39, *Y[1:]]}), "series.y.0: 1e+39 is beyond the range of a 32-bit float"),
        (FORECAST, question({"y": [None] * 7}), "series.sizes.0: 0 observed values in the last 6: this model needs at least 2"),
        (FORECAST, question({"y": [1.0], "sizes": [1]}), "series.sizes.0: 1 observed values"),
        (FORECAST, question(h=0), "h: this should be greater than or equal to 1"),
        (FORECAST, question(h=31), "h: horizon 31: this model forecasts 1 to 30 steps"),
        (FORECAST, question(h=10**9), "1 forecasts of 1000000000 steps are too much for one answer"),
        (FORECAST, question(h=10**300), "h: this should be less than or equal to 1000000000"),
        (FORECAST, question(level=[100]), "level.0."),
        (FORECAST, question(level=[81]), "level: 81: this model gives quantiles from 0.1 to 0.9, so ask for at most 80"),
        (FORECAST, question(freq="fortnight"), "freq: unknown frequency 'fortnight'"),
        (FORECAST, question(freq="2D"), "freq: '2D': this model's step is D"),
        (FORECAST, question({"X": [[1.0] * 6]}), "series.X.0: 6 values, and 7 are needed: one for each step of each series"),
        (FORECAST, question({"X_future": [[1.0] * 3]}), "series.X_future: 1 covariates have values ahead, and 0 over the series"),
        (FORECAST, question({"X": [Y], "X_future": [[1.0] * 2]}), "series.X_future.0: 2 values, and 3 are needed"),
        (FORECAST, question({"X": [["red"] * 7]}), "series.X.0.0: this should be a valid number"),
        (FORECAST, question({"X": [Y], "categorical_exog": [0]}), "series.categorical_exog: categories are not taken as covariates"),
        (FORECAST, question({"start_datetime": ["noon"]}), "series.start_datetime.0: 'noon' is not a time: write ISO 8601"),
        (FORECAST, question({"start_datetime": []}), "series.start_datetime: 0 times for 1 series: send one for each"),
        (FORECAST, question(multivariate=True), "multivariate: series are forecast one by one"),
        (FORECAST, question(feature_contributions=True), "feature_contributions: contributions are not computed here"),
        (FORECAST, question(model_parameters={"a": 1}), "model_parameters: models have no parameters to set"),
        (WINDOWS, question(n_windows=10**9), "1000000000 forecasts: at most 10000 in one request"),
        (WINDOWS, question(n_windows=2, step_size=10**9), "series.sizes.0: 7 steps: 2 windows of 3 steps, 1000000000 apart"),
        (
            WINDOWS,
            question(n_windows=2),
            "series.sizes.0: 7 steps: 2 windows of 3 steps, 3 apart, reach back 6, and the model needs 2 before them: send more, or ask",
        ),
        (
            WINDOWS,
            question({"y": [1, None, None, None, 5, 6, 7]}),
            "series.sizes.0: forecast from its first 4 steps: 1 observed values in the last 6: this model needs at least 2",
        ),
        (FORECAST, question({"y": [None] * 6 + [1]}), "series.sizes.0: 1 observed values in the last 6"),
        (WINDOWS, question(full_history=True, level=[99]), "level: 99: this model gives quantiles from 0.1 to 0.9"),
        (ANOMALIES, question({"y": [1] * 40_000, "sizes": [40_000]}), "13334 forecasts: at most 10000 in one request"),
        (ANOMALIES, question({"y": [1, 1], "sizes": [2]}, level=80), "series.sizes.0: 2 steps, 2 of them observed"),
        (
            ANOMALIES,
            question({"y": [*Y, *[None] * 12], "sizes": [19]}, level=80),
            "series.sizes.0: too few values before its end",
        ),
        (
            ONLINE,
            question({"y": [1] * 100_002, "sizes": [100_002]}, h=30, detection_size=100_001, level=80),
            "100001 steps to look at: at most 100000 in one request",
        ),
        (ONLINE, question(detection_size=0), "detection_size: this should be greater than or equal to 1"),
        (ONLINE, question({"y": [1] * 10_002, "sizes": [10_002]}, h=1, detection_size=10_001), "10001 forecasts: at most 10000"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_way_to_it(daily: httpx.Client, route: str, body: dict[str, Any], detail: str):
    answer = daily.post(route, json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(daily: httpx.Client, number: str):
    answer = daily.post(FORECAST, content=json.dumps(question()).replace("7.0", number))

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"where": ["series", "y", 6], "message": "this should be a finite number, or null where it is missing"}
    ]


def test_more_numbers_than_a_request_may_have_are_refused(daily: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nixtla_series, "MAX_CELLS", 20)
    answer = daily.post(FORECAST, json=question({"X": [Y, Y]}))

    assert answer.json()["detail"].startswith("series: 21 numbers: at most 20 in one request, set `num_partitions` to send several")


def test_a_missing_value_is_no_anomaly(daily: httpx.Client):
    series = {"y": [5, 5, 5, 5, None, 9, 5], "sizes": [7]}
    answer = daily.post(ONLINE, json=question(series, detection_size=3, level=80)).json()

    assert answer["anomaly_score"] == [None, 4.0, 0.0]
    assert answer["anomaly"] == [False, True, False]


def test_a_gap_ends_what_is_judged_of_a_series(daily: httpx.Client):
    series = {"y": [*Y, *[None] * 7, *Y], "sizes": [21]}
    answer = daily.post(ANOMALIES, json=question(series, level=80)).json()

    assert answer["sizes"] == [5]
    assert answer["mean"] == [2.0, 2.0, 4.0, 4.0, 4.0]


def test_date_features_are_left_out_where_the_times_are_known(daily: httpx.Client):
    days = [[2026.0] * 7, [1.0] * 7, [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    ahead = [[2026.0] * 3, [1.0] * 3, [12.0, 13.0, 14.0], [0.0, 1.0, 0.0]]
    sent = {"X": days, "X_future": ahead}

    assert daily.post(FORECAST, json=question({**sent, "start_datetime": ["2026-01-05"]})).json()["mean"] == [7.0] * 3
    assert daily.post(FORECAST, json=question(sent)).status_code == 422
    assert daily.post(FORECAST, json=question({**sent, "start_datetime": ["2026-01-06"]})).status_code == 422


def test_series_of_unequal_length_are_one_question(daily: httpx.Client):
    two = {"y": [*Y, 70.0, 80.0], "sizes": [7, 2]}

    assert daily.post(FORECAST, json=question(two)).json() == {"mean": [7.0] * 3 + [80.0] * 3, "intervals": None, "weights_x": None}


def test_the_clients_default_is_the_only_forecaster(daily: httpx.Client):
    assert daily.get("/nixtla/model_params", params={"model": "timegpt-2.1", "freq": "D"}).json() == {
        "detail": {"input_size": 6, "horizon": 3}
    }
    assert daily.get("/nixtla/model_params", params={"model": "gpt"}).json()["detail"] == "no model 'gpt'; served here: daily"

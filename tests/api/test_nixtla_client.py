"""TimeGPT's public client `nixtla`, unmodified, against a real server: each call that it has, beside the service's own route."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.examples import hourly_load
from service.app import create_app
from service.settings import Settings
from tests import artifacts

from .conftest import serving

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ROOT / "models" / "energy-load"
NAMES = "daily, priced, visited, weekdays"
UNTRAINED = "models are not trained on request: train and publish one with carousel-train, then name it as `model`"
START = {"start": "2026-01-05T00:00:00"}
A = [float(day) for day in range(1, 13)]
B = [10.0 * day for day in range(1, 13)]


@dataclass(slots=True)
class Watched:
    """An app, and the codings in which bodies came to it."""

    app: ASGIApp
    codings: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.codings.add(dict(scope["headers"]).get(b"content-encoding", b"").decode())
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Session:
    """What the client got, call -> result; both servers are still there."""

    found: dict[str, Any]
    own: httpx.Client
    trained: httpx.Client
    codings: set[str]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    if not TRAINED.is_dir():
        pytest.skip("energy-load is not in models/: `make models` trains it")
    several, single = tmp_path_factory.mktemp("several"), tmp_path_factory.mktemp("single")
    artifacts.publish(several, "daily", artifacts.forecaster())
    artifacts.publish(several, "priced", artifacts.forecaster(future=("price",)))
    artifacts.publish(several, "visited", artifacts.forecaster(past=("visits",)))
    artifacts.publish(several, "weekdays", artifacts.forecaster(calendar=("day_of_week",)))
    artifacts.publish(several, "words", artifacts.next_word())
    shutil.copytree(TRAINED, single / "energy-load")
    watched = Watched(create_app(Settings(models=several)))
    with (
        serving(watched) as address,
        serving(create_app(Settings(models=single))) as other,
        httpx.Client(base_url=address) as own,
        httpx.Client(base_url=other) as trained,
    ):
        command = [sys.executable, "-m", "tests.api.nixtla_calls", address, other]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stderr
        yield Session(json.loads(run.stdout.splitlines()[-1]), own, trained, watched.codings)


def forecasts(client: httpx.Client, name: str, **asked: object) -> list[dict[str, Any]]:
    """What the service's own route answers."""
    answer = client.post(f"/v1/models/{name}/forecast", json=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["forecasts"]
    return found


def test_questions_about_the_service_are_answered(session: Session):
    assert session.found["key"] is True
    assert session.found["models"] == ["daily", "priced", "visited", "weekdays"]
    assert session.found["usage"] == {"minute": {"used": 0, "limit": None}, "month": {"used": 0, "limit": None}}
    assert session.found["fine-tuned models"] == []


@pytest.mark.parametrize("call", ["point", "inferred", "numbers", "date features"])
def test_a_forecast_is_the_median_of_each_step(session: Session, call: str):
    assert session.found[call]["TimeGPT"] == [12.0] * 3 + [120.0] * 3


def test_a_forecast_begins_where_the_series_ends(session: Session):
    assert session.found["point"]["unique_id"] == ["a"] * 3 + ["b"] * 3
    assert session.found["point"]["ds"] == ["2026-01-17", "2026-01-18", "2026-01-19"] * 2


@pytest.mark.parametrize("call", ["level", "partitions"])
def test_a_level_is_an_interval(session: Session, call: str):
    assert session.found[call]["TimeGPT-lo-80"] == [11.0] * 3 + [119.0] * 3
    assert session.found[call]["TimeGPT-hi-80"] == [13.0] * 3 + [121.0] * 3


def test_quantiles_are_columns(session: Session):
    found = session.found["quantiles"]

    assert [found[f"TimeGPT-q-{level}"][:3] for level in (10, 50, 90)] == [[11.0] * 3, [12.0] * 3, [13.0] * 3]


def test_any_level_and_any_horizon_are_those_of_the_own_route(session: Session):
    series = [{**START, "values": A}, {**START, "values": B}]
    between = forecasts(session.own, "daily", series=series, quantiles=[0.2475, 0.7525])
    further = forecasts(session.own, "daily", series=series, horizon=5, extend=True)

    lows = [value for one in between for value in one["quantiles"]["0.2475"]]
    highs = [value for one in between for value in one["quantiles"]["0.7525"]]
    assert session.found["between"]["TimeGPT-lo-50.5"] == pytest.approx(lows, rel=1e-6)
    assert session.found["between"]["TimeGPT-hi-50.5"] == pytest.approx(highs, rel=1e-6)
    assert session.found["between"]["TimeGPT-lo-0"] == session.found["between"]["TimeGPT"]
    high = [value for one in further for value in one["quantiles"]["0.9"]]
    assert session.found["further"]["TimeGPT-hi-80"] == pytest.approx(high, rel=1e-6)


def test_a_trained_model_answers_what_its_own_route_does(session: Session):
    hours = hourly_load(400)
    whole = forecasts(session.trained, "energy-load", series=[{**START, "values": hours}], quantiles=[0.1, 0.25, 0.5, 0.75, 0.9])[0]
    found = session.found["trained"]
    columns = {"TimeGPT": "0.5", "TimeGPT-lo-80": "0.1", "TimeGPT-lo-50": "0.25", "TimeGPT-hi-50": "0.75", "TimeGPT-hi-80": "0.9"}

    for column, level in columns.items():
        assert found[column] == pytest.approx(whole["quantiles"][level], rel=1e-6, abs=1e-6), column
    assert [time.replace(" ", "T") for time in found["ds"]] == whole["timestamps"]


def test_windows_of_a_trained_model_see_nothing_of_what_they_forecast(session: Session):
    hours = hourly_load(400)
    windows = [{**START, "values": hours[:352]}, {**START, "values": hours[:376]}]
    own = [forecasts(session.trained, "energy-load", series=[one], horizon=24, quantiles=[0.1, 0.5])[0] for one in windows]
    found = session.found["trained windows"]

    assert found["TimeGPT"] == pytest.approx([value for one in own for value in one["point"]], rel=1e-6, abs=1e-6)
    assert found["TimeGPT-lo-80"] == pytest.approx([value for one in own for value in one["quantiles"]["0.1"]], rel=1e-6, abs=1e-6)
    assert found["y"] == hours[352:]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("known ahead", [12.5, 13.0, 13.5]),
        ("known ahead with date features", [12.5, 13.0, 13.5]),
        ("not known ahead", [15.5, 15.5, 15.5]),
        ("calendar", [12 + 1 / 3, 12.5, 11.5]),
        ("large", [1012.875, 1013.375, 1013.875]),
    ],
)
def test_covariates_are_the_models_by_their_order(session: Session, call: str, expected: list[float]):
    assert session.found[call]["TimeGPT"] == pytest.approx(expected, rel=1e-6)


def test_large_bodies_come_as_zstd(session: Session):
    assert session.codings == {"", "zstd"}


def test_the_history_is_forecast_step_by_step_from_what_came_before(session: Session):
    found = session.found["history"]

    assert found["ds"][:2] == ["2026-01-07", "2026-01-08"]
    assert found["TimeGPT"] == [2.0, 3.0, 3.0, 3.0, 6.0, 6.0, 6.0, 9.0, 9.0, 9.0, 12.0, 12.0, 12.0]
    assert found["TimeGPT-hi-80"] == [value + 1 for value in found["TimeGPT"]]


def test_windows_are_forecast_from_what_came_before_each(session: Session):
    found = session.found["windows"]

    assert found["TimeGPT"] == [7.0] * 3 + [9.0] * 3 + [70.0] * 3 + [90.0] * 3
    assert found["TimeGPT-lo-80"] == [6.0] * 3 + [8.0] * 3 + [69.0] * 3 + [89.0] * 3
    assert found["y"][:6] == [8.0, 9.0, 10.0, 10.0, 11.0, 12.0]
    assert found["cutoff"][:6] == ["2026-01-11"] * 3 + ["2026-01-13"] * 3
    assert session.found["windows known ahead"]["TimeGPT"] == [7.25, 7.25, 7.5, 9.5, 10.0, 10.5]
    assert session.found["windows not known ahead"]["TimeGPT"] == [8.0] * 3 + [10.0] * 3


def test_anomalies_are_outside_of_the_interval_given_before(session: Session):
    found = session.found["anomalies"]

    assert found["TimeGPT"] == [5.0] * 7 + [9.0] * 3
    assert found["anomaly"] == [False] * 6 + [True] * 4
    assert found["ds"][6] == "2026-01-13"


@pytest.mark.parametrize(
    ("call", "point", "score"),
    [
        ("late anomalies", [5.0, 9.0, 5.0, 5.0], [4.0, -4.0, 0.0, 0.0]),
        ("late anomalies by twos", [5.0, 5.0, 5.0, 5.0, 5.0], [0.0, 4.0, 0.0, 0.0, 0.0]),
    ],
)
def test_late_anomalies_have_scores(session: Session, call: str, point: list[float], score: list[float]):
    found = session.found[call]

    assert found["TimeGPT"] == point
    assert found["anomaly_score"] == score
    assert found["anomaly"] == [abs(own) > 1 for own in score]


@pytest.mark.parametrize(
    ("call", "status", "detail"),
    [
        ("no model", 404, f"no model 'timegpt-2.1'; served here: {NAMES}"),
        ("no forecaster", 404, f"no model 'words'; served here: {NAMES}"),
        ("wide", 422, "level: 99: this model gives quantiles from 0.1 to 0.9, so ask for at most 80"),
        ("far", 422, "h: horizon 31: this model forecasts 1 to 30 steps"),
        ("hourly", 422, "freq: 'h': this model's step is D: resample the series, or name another model"),
        ("local", 422, "series.start_datetime: this model uses the calendar, and the times of the series were not sent"),
        ("columns", 422, "series.X: 0 covariates known ahead and 1 that are not: this model takes none known ahead"),
        ("no columns", 422, "series.X: 0 covariates known ahead and 0 that are not: this model takes price known ahead"),
        ("too many windows", 422, "series.sizes.0: 12 steps: 4 windows of 3 steps, 3 apart, reach back 12, and the model needs 2 before"),
        ("nothing before", 422, "series.sizes.0: 2 steps, 2 of them observed and the last 2 to be judged"),
        ("together", 422, "threshold_method: each series is judged by itself here: send 'univariate'"),
        ("fine-tune", 422, UNTRAINED),
        ("fine-tuned", 422, f"finetuned_model_id: {UNTRAINED}"),
        ("fine-tune first", 422, f"finetune_steps: {UNTRAINED}"),
    ],
)
def test_a_refusal_says_what_to_do_and_is_not_tried_again(session: Session, call: str, status: int, detail: str):
    found = session.found[call]

    assert found[0] == status
    assert found[1].startswith(detail)


def test_requests_are_counted_as_the_models(session: Session):
    metrics = session.own.get("/metrics").text

    assert 'carousel_requests_total{model="daily",route="/nixtla/v2/forecast",status="200",version=""}' in metrics

"""KServe's `InferenceRESTClient` and `InferenceGRPCClient`, unmodified, against a real server: each call that they have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.examples import hourly_load
from service.app import create_app
from service.settings import Settings

from .conftest import serving

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ROOT / "models" / "energy-load"
DIGITS = ["digit-rows", "1", "seven", [1, 0]]
OVER_HTTP = ["digit-rows", None, "seven", [1, 0]]  # the client does not read the version there


@pytest.fixture(scope="module")
def found(model_folder: Path) -> dict[str, Any]:
    """Call -> what came back."""
    app = create_app(Settings(models=model_folder, grpc_port=0))
    with serving(app) as address:
        command = [sys.executable, "-m", "tests.api.kserve_calls", address, f"127.0.0.1:{app.state.grpc_port}"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("v2 live", True),
        ("v2 ready", True),
        ("v2 model ready", True),
        ("v2 no model ready", False),
        ("v2 json", OVER_HTTP),
        ("v2 binary in", OVER_HTTP),
        ("v2 binary both", OVER_HTTP),
        ("v2 dictionary", ["digit-rows", None, "d", [1, 0]]),
        ("v2 graph", "d"),
        ("v2 version", "1"),
        ("v1 live", True),
        ("v1 model ready", True),
        ("v1 infer", ["1", "0"]),
        ("grpc live", True),
        ("grpc ready", True),
        ("grpc model ready", True),
        ("grpc no model ready", False),
        ("grpc bytes", DIGITS),
        ("grpc contents", DIGITS),
        ("grpc no model", ["NOT_FOUND", "no model 'none'; served here: digit-rows, energy-load, next-word-en, share-price"]),
        ("time series forecast", ["energy-load", "completed", "hall", "hour", "2026-01-06T00:00:00Z", [28.0, 28.0, 28.0]]),
        ("time series own route", True),
        ("time series covariates", [[28.0, 28.0, 28.0], "2026-02-06T00:00:00"]),
        ("time series models", ["energy-load", "share-price"]),
    ],
)
def test_a_call_is_answered(found: dict[str, Any], call: str, expected: object):
    assert found[call] == expected


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        ("v2 wrong", 400, "inputs.0.name: no input 'image': this model takes sequence"),
        ("v2 no model", 404, "no model 'none'; served here: digit-rows"),
        ("v1 no model ready", 404, "404 Not Found"),
        ("v1 explain", 405, "405 Method Not Allowed"),
    ],
)
def test_a_refusal_is_an_error_of_the_client(found: dict[str, Any], call: str, status: int, words: str):
    assert found[call][0] == status
    assert words in found[call][1]


@pytest.mark.parametrize(
    ("call", "status", "param", "words"),
    [
        ("wrong unit", 422, "inputs.0.frequency", "'day': this model's step is h"),
        ("no model", 404, "", "no model 'digit-rows'; served here: energy-load, share-price"),
        ("wrong level", 422, "options.quantiles.0", "quantile 0.01: this model answers"),
        (
            "too far",
            422,
            "options.horizon",
            "49: this model forecasts 1 to 48 steps: ask POST /v1/models/energy-load/forecast with `extend` for more",
        ),
        ("no series", 422, "inputs", "List should have at least 1 item"),
        ("no start", 422, "inputs.0.start_timestamp", "this model uses the calendar: send it with the series"),
        ("short", 422, "inputs.0.series", "1 observed values in the last 168: this model needs at least 24"),
        ("no time", 422, "inputs.0.start_timestamp", "'noon' is not a time"),
        ("beyond a float", 422, "inputs.0.series.1", "1e+39 is beyond the range"),
        ("no covariates", 422, "inputs.0.past", "covariate 'Open' is missing"),
        ("no route", 405, "", "GET /v1/timeseries/forecast: Method Not Allowed"),
    ],
)
def test_a_fault_in_a_question_for_time_series_is_the_protocols_own(found: dict[str, Any], call: str, status: int, param: str, words: str):
    assert found[f"time series {call}"][:3] == [status, str(status), param]
    assert words in found[f"time series {call}"][3]


def test_a_trained_model_answers_a_time_series_as_its_own_route_does(tmp_path: Path):
    if not TRAINED.is_dir():
        pytest.skip("energy-load is not in models/: `make models` trains it")
    shutil.copytree(TRAINED, tmp_path / "energy-load")
    hours, start = hourly_load(400), "2026-01-05T00:00:00Z"
    one = {"type": "univariate_time_series", "name": "hall", "series": hours, "frequency": "hour", "start_timestamp": start}
    body = {"model": "energy-load", "inputs": [one], "options": {"horizon": 48, "quantiles": [0.1, 0.5, 0.9]}}

    with serving(create_app(Settings(models=tmp_path))) as address, httpx.Client(base_url=address) as client:
        own = client.post(
            "/v1/models/energy-load/forecast", json={"series": [{"start": start, "values": hours}], "quantiles": [0.1, 0.5, 0.9]}
        )
        found = client.post("/v1/timeseries/forecast", json=body).json()["outputs"][0]["content"][0]

    whole = own.json()["forecasts"][0]
    assert found["mean_forecast"] == whole["point"]
    assert found["quantiles"] == whole["quantiles"]
    assert found["start_timestamp"] == whole["timestamps"][0].replace("+00:00", "Z")

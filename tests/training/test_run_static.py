"""A whole run of series that only their categories tell apart: trained, published, asked in every way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from service.app import create_app
from service.backends.torchscript import TorchScriptBackend
from service.contract.golden import parse_goldens
from service.contract.manifest import ForecastTask
from service.contract.repository import Artifact
from service.contract.static_column import StaticColumn
from service.offline import open_model
from service.offline.question import Question
from service.offline.run import forecast_file
from service.settings import Settings
from service.tasks.dialogue import converse
from service.tasks.forecast import History, forecast
from tests.api.conftest import serving
from training.backtest.origins import rolling_origins
from training.config import ForecastConfig
from training.export import onnx_run
from training.recorded import recorded_config
from training.run import run

RAMP = [11.0, 12.0, 13.0, 14.0]
AFTER = {"up": [17.0, 19.0, 16.0, 18.0], "down": [8.0, 5.0, 9.0, 6.0], "sideways": [11.0, 12.0, 11.0, 12.0]}


def write_rows(path: Path, kinds: dict[str, str], *, days: int = 160) -> Path:
    """Series that rise for four days, and then for four days are what only their kind says."""
    times = pd.date_range("2024-01-01", periods=days, freq="D")
    frames = []
    for number, (name, kind) in enumerate(kinds.items()):
        noise = np.random.default_rng(number).normal(0, 0.05, days)
        values = np.tile([*RAMP, *AFTER[kind]], days // 8) + noise
        frames.append(pd.DataFrame({"day": times, "shop": name, "kind": kind, "sales": values}))
    pd.concat(frames).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Two shops of each kind, learned in a few seconds."""
    folder = tmp_path_factory.mktemp("static")
    data = write_rows(folder / "shops.csv", {"a": "up", "b": "down", "c": "up", "d": "down"})
    settings: dict[str, Any] = {
        "name": "shops",
        "data": str(data),
        "time": "day",
        "target": "sales",
        "series": "shop",
        "static": ("kind",),
        "horizon": 3,
        "context": 4,
        "segment": 1,
        "calendar": False,
        "scaling": "standard",  # one value is history enough, and has no spread of its own
        "target_kind": "real",
        "hidden": 16,
        "epochs": 10,
        "windows": 384,
        "batch": 32,
        "learning_rate": 0.02,
        "models": folder / "models",
        "runs": folder / "runs",
    }
    console = Console(record=True, width=250, file=io.StringIO())
    return run(ForecastConfig.model_validate(settings), resume=False, console=console)


def task_of(artifact: Artifact) -> ForecastTask:
    task = artifact.manifest.task
    assert isinstance(task, ForecastTask)
    return task


def answers(artifact: Artifact, *kinds: str) -> list[list[float]]:
    """The point forecasts after the same history."""
    histories = [History(np.array(RAMP, np.float32), static={"kind": kind}) for kind in kinds]
    return [found.point.tolist() for found in converse(forecast(task_of(artifact), histories), onnx_run(artifact.file("model.onnx")))]


def test_the_categories_are_in_the_manifest_and_the_graph_takes_their_codes(artifact: Artifact):
    assert task_of(artifact).static == (StaticColumn(name="kind", categories=("down", "up")),)
    spec = artifact.manifest.inputs[-1]
    assert (spec.name, spec.datatype, spec.shape) == ("static", "INT64", (-1, 1))
    goldens = parse_goldens(artifact.read("golden.json"))
    assert [golden.inputs["static"].tolist() for golden in goldens] == [[[1]], [[2]]]


def test_the_category_decides_what_follows_the_same_history(artifact: Artifact):
    up, down = answers(artifact, "up", "down")
    assert np.mean(up) == pytest.approx(np.mean(AFTER["up"][:3]), abs=2.0)
    assert np.mean(down) == pytest.approx(np.mean(AFTER["down"][:3]), abs=2.0)


def test_an_unknown_category_is_answered_and_as_any_other_unknown_one(artifact: Artifact):
    first, second = answers(artifact, "sideways", "")
    assert np.isfinite(first).all()
    assert first == second


def test_onnx_and_torchscript_answer_alike_even_to_codes_that_there_are_not(artifact: Artifact):
    assert max(artifact.manifest.parity.values()) < 1e-4
    inputs = {"target": np.array([RAMP] * 5, np.float32), "static": np.array([[0], [1], [2], [3], [-1]])}
    scripted = TorchScriptBackend.load(artifact, device="cpu", threads=1)

    found = onnx_run(artifact.file("model.onnx"))(inputs)["quantiles"]

    np.testing.assert_allclose(found, scripted.run(inputs)["quantiles"], rtol=1e-4)
    np.testing.assert_allclose(found[3:], found[[0, 0]], rtol=1e-6)


@pytest.fixture(scope="module")
def client(artifact: Artifact) -> Iterator[httpx.Client]:
    app = create_app(Settings(models=artifact.folder.parent.parent))
    with serving(app) as address, httpx.Client(base_url=address) as client:
        yield client


def test_over_http_the_category_is_sent_with_the_series(artifact: Artifact, client: httpx.Client):
    series = [{"values": RAMP, "static": {"kind": kind}} for kind in ("up", "down", "sideways")]

    found = client.post("/v1/models/shops/forecast", json={"series": series, "explain": True}).json()["forecasts"]

    for one, expected in zip(found, answers(artifact, "up", "down", "sideways"), strict=True):
        assert one["point"] == pytest.approx(expected, rel=1e-4)
    assert found[0]["explanation"]["covariates"]["kind"]["change"] > 0 > found[1]["explanation"]["covariates"]["kind"]["change"]
    assert found[2]["explanation"]["covariates"]["kind"]["effect"] == pytest.approx(0, abs=1e-4)


def test_over_http_a_longer_horizon_and_anomalies_take_the_category(client: httpx.Client):
    up = {"values": [*RAMP, *AFTER["up"], *RAMP], "static": {"kind": "up"}}

    longer = client.post("/v1/models/shops/forecast", json={"series": [up], "horizon": 6, "extend": True}).json()["forecasts"][0]
    judged = client.post("/v1/models/shops/anomalies", json={"series": [up, {**up, "static": {"kind": "down"}}], "level": 80}).json()

    assert len(longer["point"]) == 6
    scores = [max(abs(score) for score in one["score"][4:6]) for one in judged["series"]]
    assert scores[0] < scores[1]


def test_the_other_protocols_take_the_text_or_its_code(artifact: Artifact, client: httpx.Client):
    [expected] = answers(artifact, "up")
    tensors = [
        {"name": "target", "datatype": "FP32", "shape": [1, 4], "data": RAMP},
        {"name": "static", "datatype": "INT64", "shape": [1, 1], "data": [2]},
    ]

    predicted = client.post("/v1/models/shops:predict", json={"instances": [{"values": RAMP, "static": {"kind": "up"}}]}).json()
    inferred = client.post("/v2/models/shops/infer", json={"inputs": tensors}).json()

    assert predicted["predictions"][0]["point"] == pytest.approx(expected, rel=1e-4)
    assert inferred["outputs"][0]["data"][1::3] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({"values": RAMP}, "series.0.static: static column 'kind' is missing: this model takes kind here"),
        (
            {"values": RAMP, "static": {"kind": "up", "size": "small"}},
            "series.0.static.size: unknown static column 'size': this model takes kind here",
        ),
    ],
)
def test_over_http_a_column_that_is_missing_or_unknown_is_422(client: httpx.Client, series: dict[str, Any], message: str):
    answer = client.post("/v1/models/shops/forecast", json={"series": [series]})
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (
            "/v1/timeseries/forecast",
            {
                "model": "shops",
                "inputs": [{"type": "univariate_time_series", "name": "a", "series": RAMP, "frequency": "day"}],
                "options": {"horizon": 2},
            },
        ),
        ("/nixtla/v2/forecast", {"model": "shops", "freq": "D", "h": 2, "series": {"y": RAMP, "sizes": [4]}}),
    ],
)
def test_protocols_without_static_columns_say_where_such_a_model_is_asked(client: httpx.Client, route: str, body: dict[str, Any]):
    answer = client.post(route, json=body)
    assert answer.status_code == 422
    assert "needs the static columns kind, for which this protocol has no field: ask POST /v1/models/shops/forecast" in answer.text


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_of_series_is_scored_with_its_own_columns(artifact: Artifact, tmp_path: Path, suffix: str):
    days = np.datetime64("2026-01-01T00:00:00") + np.arange(4) * np.timedelta64(1, "D")
    kinds = ["up", "down", None, "sideways"]
    frame = pd.concat([pd.DataFrame({"day": days, "shop": str(place), "kind": kind, "sales": RAMP}) for place, kind in enumerate(kinds)])
    if suffix == ".csv":
        frame.to_csv(tmp_path / "asked.csv", index=False)
    else:
        frame.astype({"kind": "string"}).to_parquet(tmp_path / "asked.parquet")
    model = open_model(Settings(models=artifact.folder.parent.parent), "shops")
    flags = dict.fromkeys(("target", "horizon", "quantiles", "time", "series", "at_once"))
    asked = {**flags, "data": tmp_path / f"asked{suffix}", "out": tmp_path / "out.parquet", "at_once": 1}

    summary = forecast_file(model, Question.of(model, asked), progress_to=io.StringIO())
    model.close(20)

    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (summary.series, summary.failed) == (4, 0)
    expected = np.concatenate(answers(artifact, "up", "down", "", "sideways"))
    np.testing.assert_allclose([row["point"] for row in rows], expected, rtol=1e-4)


def test_a_backtest_on_other_series_keeps_the_codes_of_the_model(artifact: Artifact, tmp_path: Path):
    data = write_rows(tmp_path / "others.csv", {"y": "up", "z": "sideways"}, days=40)

    rolling = rolling_origins(artifact.manifest, recorded_config(artifact.manifest, str(data)), count=2, echo=lambda _: None)

    assert np.unique(np.concatenate([batch.static for batch in rolling.batches()])).tolist() == [0, 2]

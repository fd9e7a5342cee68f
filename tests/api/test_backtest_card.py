"""The newest backtest of a version in its card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.contract.backtest_scores import BacktestScores, backtest_file, write_backtest
from service.contract.repository import ONNX, Artifact
from service.settings import Settings
from tests import artifacts

from .conftest import serving


@pytest.fixture
def first(tmp_path: Path) -> Artifact:
    return artifacts.publish(tmp_path / "models", "load", artifacts.forecaster())


@pytest.fixture
def client(first: Artifact) -> Iterator[httpx.Client]:
    """A service of two versions of `load`."""
    root = first.folder.parent.parent
    artifacts.publish(root, "load", artifacts.forecaster())
    with serving(create_app(Settings(models=root))) as address, httpx.Client(base_url=address) as client:
        yield client


def scores_of(artifact: Artifact) -> BacktestScores:
    return BacktestScores(
        created="2026-05-01T00:00:00+00:00",
        graph_sha256=artifact.manifest.files[ONNX].sha256,
        source="load.csv",
        sha256="0" * 64,
        horizon=3,
        windows=4,
        absent=0,
        seen=None,
        scores={"model": {"mae": 2.0}, "last_value": {"mae": 3.0}},
        failed={},
    )


def test_a_card_shows_a_backtest_that_was_run_after_the_model_was_loaded(client: httpx.Client, first: Artifact):
    before = client.get("/v1/models/load/versions/1").json()

    write_backtest(first, scores_of(first))

    after = client.get("/v1/models/load/versions/1").json()
    assert (before["backtest"], before["backtest_fault"]) == (None, None)
    assert (after["backtest"]["scores"], after["backtest_fault"]) == ({"model": {"mae": 2}, "last_value": {"mae": 3}}, None)
    assert client.get("/v1/models/load").json()["backtest"] is None  # version 2 was not measured


def test_a_broken_file_is_told_of_and_keeps_no_model_from_answering(client: httpx.Client, first: Artifact):
    backtest_file(first).with_name("2.backtest.json").write_text("[]")

    card = client.get("/v1/models/load").json()
    [listed] = client.get("/v1/models").json()["models"]

    assert (card["version"], card["backtest"]) == (2, None)
    assert card["backtest_fault"].startswith("2.backtest.json: the whole: Input should be an object")
    assert listed == card
    assert client.post("/v1/models/load/forecast", json={"series": [{"values": [1, 2, 3]}]}).status_code == 200

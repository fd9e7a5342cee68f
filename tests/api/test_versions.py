"""Which version answers: named by number, by label or not at all; the answer says which one it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings

from .bundled import publish_all
from .conftest import serving

SERIES = {"series": [{"start": "2026-01-05", "values": [1.0] * 24}], "horizon": 1}
TENSORS = {
    "inputs": [
        {"name": "target", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]},
        {"name": "future", "datatype": "FP32", "shape": [1, 50, 3], "data": [0.0] * 150},
    ]
}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service where version 1 of energy-load is `stable` and 2 is `canary`."""
    root: Path = tmp_path_factory.mktemp("labelled")
    publish_all(root)
    (root / "energy-load" / "labels.json").write_text(json.dumps({"stable": 1, "canary": 2}))
    with serving(create_app(Settings(models=root))) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("energy-load", 1),
        ("energy-load@stable", 1),
        ("energy-load@canary", 2),
        ("energy-load%40canary", 2),
        ("energy-load/versions/2", 2),
        ("energy-load/versions/1", 1),
    ],
)
def test_an_answer_names_the_version_that_gave_it(labelled: httpx.Client, model: str, version: int):
    forecast = labelled.post(f"/v1/models/{model}/forecast", json=SERIES)
    predicted = labelled.post(f"/v1/models/{model}:predict", json={"instances": SERIES["series"]})
    inferred = labelled.post(f"/v2/models/{model}/infer", json=TENSORS)

    assert [answer.status_code for answer in (forecast, predicted, inferred)] == [200, 200, 200]
    assert [answer.headers["x-model-version"] for answer in (forecast, predicted, inferred)] == [str(version)] * 3
    assert (forecast.json()["model"], forecast.json()["version"]) == ("energy-load", version)
    assert predicted.json()["version"] == version
    assert (inferred.json()["model_name"], inferred.json()["model_version"]) == ("energy-load", str(version))


@pytest.mark.parametrize("what", ["", "/ready", "/config", "/stats"])
def test_a_label_works_wherever_a_name_does(labelled: httpx.Client, what: str):
    answer = labelled.get(f"/v2/models/energy-load@canary{what}")

    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == "2"


def test_statistics_of_a_label_are_those_of_its_version(labelled: httpx.Client):
    (statistics,) = labelled.get("/v2/models/energy-load@canary/stats").json()["model_stats"]

    assert (statistics["name"], statistics["version"]) == ("energy-load", "2")


def test_a_card_can_be_asked_for_by_label(labelled: httpx.Client):
    assert labelled.get("/v1/models/energy-load@stable").json()["version"] == 1


@pytest.mark.parametrize(
    ("route", "status", "detail"),
    [
        ("/v1/models/energy-load@beta", 404, "no label 'beta' of 'energy-load'; its labels: stable, canary"),
        ("/v1/models/energy-load@canary/versions/2", 422, "name a label or a version, not both"),
        ("/v1/models/none@canary", 404, "no model 'none'"),
    ],
)
def test_a_label_that_leads_nowhere_is_refused(labelled: httpx.Client, route: str, status: int, detail: str):
    answer = labelled.get(route)

    assert answer.status_code == status
    assert detail in answer.json()["detail"]
    assert "x-model-version" not in answer.headers


def test_a_refused_question_names_the_version_that_refused_it(labelled: httpx.Client):
    answer = labelled.post("/v1/models/energy-load@stable/forecast", json={**SERIES, "horizon": 1000})

    assert answer.status_code == 422
    assert answer.headers["x-model-version"] == "1"

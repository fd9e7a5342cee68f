"""What a forecast may be asked for beside its point and the trained quantiles, over HTTP."""

from __future__ import annotations

from math import sqrt
from typing import Any

import httpx
import pytest

ROUTE = "/v1/models/energy-load/forecast"
SERIES = {"start": "2026-01-05T00:00:00", "values": [float(hour) for hour in range(30)]}  # answered by 29 and ten times the level


def asked(client: httpx.Client, **wanted: Any) -> dict[str, Any]:
    answer = client.post(ROUTE, json={"series": [SERIES], **wanted})
    assert answer.status_code == 200, answer.text
    return answer.json()["forecasts"][0]


def test_levels_between_the_trained_ones_are_interpolated(client: httpx.Client):
    forecast = asked(client, horizon=1, quantiles=[0.1, 0.25, 0.9])

    assert forecast["quantiles"] == {"0.1": [30.0], "0.25": [pytest.approx(31.8948, abs=1e-3)], "0.9": [38.0]}


def test_an_interval_comes_by_its_percentage(client: httpx.Client):
    forecast = asked(client, horizon=2, level=[80], quantiles=[0.5])

    assert forecast["intervals"] == {"80": {"low": [30.0, 30.0], "high": [38.0, 38.0]}}
    assert forecast["quantiles"] == {"0.5": [34.0, 34.0]}


def test_nothing_comes_that_was_not_asked_for(client: httpx.Client):
    assert list(asked(client)) == ["id", "timestamps", "point", "quantiles", "context_used"]


def test_sample_paths_are_as_many_as_asked_for_and_repeatable(client: httpx.Client):
    wanted = {"horizon": 3, "samples": 4, "seed": 7, "step_correlation": 0.5}

    first, again = (asked(client, **wanted)["samples"] for _ in range(2))

    assert first == again
    assert [len(path) for path in first] == [3, 3, 3, 3]


@pytest.mark.parametrize(("kind", "least", "most"), [("sum", 48 * 33.5, 48 * 34.5), ("mean", 33.5, 34.5)])
def test_a_total_comes_with_quantiles_and_intervals_of_its_own(client: httpx.Client, kind: str, least: float, most: float):
    total = asked(client, aggregate=kind, level=[80], step_correlation=0.5)["aggregate"]

    assert total["kind"] == kind
    assert least < total["point"] < most
    assert total["quantiles"]["0.1"] == total["intervals"]["80"]["low"] < total["point"] == total["quantiles"]["0.5"]


def test_a_total_without_levels_has_no_intervals(client: httpx.Client):
    assert "intervals" not in asked(client, aggregate="sum", step_correlation=0.0)["aggregate"]


def test_a_longer_horizon_is_rolled_forward_where_that_is_asked_for(client: httpx.Client):
    forecast = asked(client, horizon=50, extend=True)

    assert forecast["extended_from"] == 48
    assert forecast["timestamps"][-1] == "2026-01-08T07:00:00"
    assert forecast["point"][47:] == [34.0, 39.0, 39.0]
    assert forecast["quantiles"]["0.9"][47:] == [38.0, *[pytest.approx(39 + 4 * sqrt(2), rel=1e-6)] * 2]


@pytest.mark.parametrize(
    ("wanted", "where", "message"),
    [
        ({"level": [80, 95]}, ["level", 1], "level 95 needs quantiles 0.025 and 0.975: this model answers quantiles from 0.1 to 0.9"),
        ({"level": [0]}, ["level", 0], "greater than 0"),
        ({"level": [100]}, ["level", 0], "less than 100"),
        ({"samples": 3}, ["step_correlation"], "send it as `step_correlation`, or train the model again"),
        ({"aggregate": "sum"}, ["step_correlation"], "send it as `step_correlation`, or train the model again"),
        ({"aggregate": "product"}, ["aggregate"], "'sum' or 'mean'"),
        ({"samples": 1001}, ["samples"], "less than or equal to 1000"),
        ({"samples": 3, "step_correlation": 1}, ["step_correlation"], "less than 1"),
        ({"horizon": 49}, ["horizon"], "with `extend` it is rolled forward, up to 480 steps"),
        ({"horizon": 481, "extend": True}, ["horizon"], "this model forecasts 1 to 480 steps"),
    ],
)
def test_what_the_model_has_not_is_refused_with_what_it_has(client: httpx.Client, wanted: dict[str, Any], where: list[Any], message: str):
    answer = client.post(ROUTE, json={"series": [SERIES], **wanted})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == where
    assert message in answer.json()["errors"][0]["message"]


def test_more_paths_than_one_request_may_have_are_refused(client: httpx.Client):
    answer = client.post(ROUTE, json={"series": [SERIES] * 11, "samples": 1000, "step_correlation": 0.5})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("samples: 1000 samples x 11 series x 48 steps: at most 500000 in one request")

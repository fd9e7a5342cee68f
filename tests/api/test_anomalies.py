"""Anomalies and explanations over HTTP, on a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

MONDAY = "2026-01-05T00:00:00"
ANOMALIES = "/v1/models/energy-load/anomalies"
# the interval of 80% of every step goes from 1 to 9 above the last value, and its median is 5 above
HOURS = [*[10.0] * 24, 15.0, None, 30.0]
PRICES = {"values": [10.0] * 22, "start": "2026-01-05", "past": {name: [1.0] * 22 for name in ("Open", "High", "Low", "Volume")}}


def series(**changes: object) -> dict[str, Any]:
    return {"series": [{"id": "a", "start": MONDAY, "values": HOURS, **changes}]}


def test_every_step_with_enough_before_it_is_judged(client: httpx.Client):
    answer = client.post(ANOMALIES, json={**series(), "ahead": 3})

    assert answer.status_code == 200
    assert answer.headers["X-Model-Version"] == "2"
    assert answer.json() == {
        "model": "energy-load",
        "version": 2,
        "level": 80.0,
        "ahead": 3,
        "series": [
            {
                "id": "a",
                "first_step": 24,
                "timestamps": ["2026-01-06T00:00:00", "2026-01-06T01:00:00", "2026-01-06T02:00:00"],
                "values": [15.0, None, 30.0],
                "point": [15.0, 15.0, 15.0],
                "low": [11.0, 11.0, 11.0],
                "high": [19.0, 19.0, 19.0],
                "score": [0.0, None, 3.75],
                "anomaly": [False, False, True],
                "counts": {"judged": 2, "anomalies": 1, "missing": 1},
            }
        ],
    }


def test_an_older_version_judges_when_the_path_says_so(client: httpx.Client):
    answer = client.post("/v1/models/energy-load/versions/1/anomalies", json={**series(), "last": 3, "ahead": 3}).json()

    assert answer["version"] == 1


def test_covariates_are_sent_as_for_a_forecast(client: httpx.Client):
    answer = client.post("/v1/models/share-price/anomalies", json={"series": [PRICES, PRICES]}).json()

    assert [found["point"] for found in answer["series"]] == [[15.0, 15.0]] * 2
    assert answer["series"][0]["timestamps"] == ["2026-02-02T00:00:00", "2026-02-03T00:00:00"]
    assert answer["series"][0]["score"] == [-1.25, -1.25]


def test_steps_that_timestamps_leave_out_are_missing_values(client: httpx.Client):
    times = [f"2026-01-05T{hour:02d}:00:00" for hour in range(24)] + ["2026-01-06T02:00:00"]
    body = {"series": [{"timestamps": times, "values": [10.0] * 25}], "ahead": 48}

    [found] = client.post(ANOMALIES, json=body).json()["series"]

    assert found["first_step"] == 24
    assert found["values"] == [None, None, 10.0]
    assert found["score"] == [None, None, -1.25]


def test_only_what_was_so_far_off_is_forgotten(client: httpx.Client):
    body = {**series(values=[*[10.0] * 24, 1000.0, 15.0, 15.0]), "ahead": 2}

    plain, spared, forgotten = (
        client.post(ANOMALIES, json={**body, **choice}) for choice in ({}, {"forget_beyond": 247}, {"forget_beyond": 246})
    )

    assert plain.json()["series"][0]["point"] == [15.0, 1005.0, 1005.0]
    assert plain.json()["series"][0]["score"][0] == 246.25
    assert spared.json() == plain.json()
    assert "beyond the range" in forgotten.json()["detail"]  # this graph knows no answer without the last value


def test_the_card_names_the_route(client: httpx.Client):
    assert ANOMALIES in client.get("/v1/models/energy-load").json()["routes"]


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        ({**series(), "level": 95}, ["level"], "level 95 needs quantiles 0.025 and 0.975: this model answers quantiles from 0.1 to 0.9"),
        ({**series(), "level": 100}, ["level"], "this should be less than 100"),
        ({**series(), "last": 0}, ["last"], "greater than or equal to 1"),
        ({**series(), "ahead": 0}, ["ahead"], "greater than or equal to 1"),
        ({**series(), "ahead": 49}, ["ahead"], "ahead 49: this model forecasts 1 to 48 steps"),
        ({**series(), "horizon": 3}, ["horizon"], "unknown field; the fields here are series, level, ahead, last, forget_beyond"),
        (series(values=[1.0] * 24), ["series", 0, "values"], "24 steps, 24 of them observed: each is judged from at least 24"),
        (series(start=None), ["series", 0, "start"], "send `start` or `timestamps`"),
        ({**series(), "forget_beyond": 0.5}, ["forget_beyond"], "greater than or equal to 1"),
        ({"series": []}, ["series"], "at least 1 item"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_place(client: httpx.Client, body: dict[str, Any], where: list[str | int], message: str):
    answer = client.post(ANOMALIES, json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == where
    assert message in answer.json()["errors"][0]["message"]


def test_another_task_is_answered_409_with_the_route_that_the_model_has(client: httpx.Client):
    answer = client.post("/v1/models/digit-rows/anomalies", json=series())

    assert answer.status_code == 409
    assert answer.json()["detail"].endswith("ask POST /v1/models/digit-rows/classify")


def test_a_forecast_is_explained_when_that_is_asked_for(client: httpx.Client):
    body = {"series": [{"start": MONDAY, "values": [1.0] * 39 + [7.0]}, {"start": MONDAY, "values": [4.0] * 30}], "horizon": 2}

    plain = client.post("/v1/models/energy-load/forecast", json=body).json()
    found = client.post("/v1/models/energy-load/forecast", json={**body, "explain": True}).json()

    explanations = [forecast.pop("explanation") for forecast in found["forecasts"]]
    assert found == plain
    nothing = {"effect": 0.0, "change": 0.0}
    assert explanations[0]["covariates"] == {"hour_of_day": nothing, "day_of_week": nothing, "day_of_year": nothing}
    # this graph knows no answer without the last value
    assert explanations[0]["history"][-1] == {"from_step": -4, "to_step": 0, "effect": None, "change": None}
    assert explanations[0]["history"][0] == {"from_step": -40, "to_step": -36, **nothing}
    assert explanations[1]["history"][-1]["from_step"] == -3


def test_a_rolled_forecast_is_explained_as_far_as_the_model_was_trained(client: httpx.Client):
    body = {"series": [{"start": MONDAY, "values": [1.0] * 30}], "horizon": 60, "extend": True, "explain": True}

    [forecast] = client.post("/v1/models/energy-load/forecast", json=body).json()["forecasts"]

    assert len(forecast["point"]) == 60
    assert len(forecast["explanation"]["history"]) == 10


def test_explanations_of_too_many_series_are_refused(client: httpx.Client):
    body = {"series": [{"start": MONDAY, "values": [1.0] * 24}] * 72, "explain": True}

    answer = client.post("/v1/models/energy-load/forecast", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {"where": ["explain"], "message": "72 series: this model explains at most 71 in one request"}

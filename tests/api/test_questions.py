"""Each way to ask a model over HTTP, on a real socket."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from service.api import classify, forecast
from service.tasks.dialogue import QuestionError, converse

from .bundled import digit_rows, energy_load, manifest_of

HOURS = [float(hour) for hour in range(30)]
MONDAY = "2026-01-05T00:00:00"
LAST_OF_THIRTY = [30.0, 34.0, 38.0]  # 29 and ten times the levels 0.1, 0.5, 0.9
PRICES = {"values": [10.0] * 20, "start": "2026-01-05", "past": {name: [1.0] * 20 for name in ("Open", "High", "Low", "Volume")}}


def test_a_forecast_has_times_the_median_every_level_and_what_was_read(client: httpx.Client):
    body = {"series": [{"id": "a", "start": MONDAY, "values": HOURS}], "horizon": 2}

    answer = client.post("/v1/models/energy-load/forecast", json=body)

    assert answer.status_code == 200
    assert answer.json() == {
        "model": "energy-load",
        "version": 2,
        "forecasts": [
            {
                "id": "a",
                "timestamps": ["2026-01-06T06:00:00", "2026-01-06T07:00:00"],
                "point": [34.0, 34.0],
                "quantiles": {"0.1": [30.0, 30.0], "0.5": [34.0, 34.0], "0.9": [38.0, 38.0]},
                "context_used": 30,
            }
        ],
    }


def test_an_older_version_answers_when_the_path_says_so(client: httpx.Client):
    body = {"series": [{"start": MONDAY, "values": HOURS}]}

    answer = client.post("/v1/models/energy-load/versions/1/forecast", json=body).json()

    assert answer["version"] == 1
    assert len(answer["forecasts"][0]["point"]) == 48


def test_timestamps_may_leave_steps_out(client: httpx.Client):
    times = [f"2026-01-05T{hour:02d}:00:00" for hour in range(24)] + ["2026-01-06T02:00:00"]
    body = {"series": [{"timestamps": times, "values": HOURS[:25]}], "horizon": 1}

    forecast = client.post("/v1/models/energy-load/forecast", json=body).json()["forecasts"][0]

    assert forecast["timestamps"] == ["2026-01-06T03:00:00"]
    assert forecast["context_used"] == 27


def test_covariates_and_levels_can_be_chosen_by_name(client: httpx.Client):
    answer = client.post("/v1/models/share-price/forecast", json={"series": [PRICES], "quantiles": [0.9]})

    forecast = answer.json()["forecasts"][0]
    assert forecast["quantiles"] == {"0.9": [19.0] * 5}
    assert forecast["timestamps"][0] == "2026-02-02T00:00:00"


def test_several_series_are_answered_in_their_order(client: httpx.Client):
    series = [{"id": str(number), "start": MONDAY, "values": [float(number)] * 24} for number in range(40)]

    answer = client.post("/v1/models/energy-load/forecast", json={"series": series, "horizon": 1}).json()

    assert [forecast["point"] for forecast in answer["forecasts"]] == [[number + 5.0] for number in range(40)]


def test_the_next_word_comes_with_its_probability(client: httpx.Client):
    answer = client.post("/v1/models/next-word-en/next-word", json={"text": "the old ", "top_k": 2}).json()

    assert answer["model"] == "next-word-en"
    assert len(answer["suggestions"]) == 2
    assert answer["suggestions"][0]["probability"] > answer["suggestions"][1]["probability"] > 0


def test_a_word_being_typed_is_completed(client: httpx.Client):
    answer = client.post("/v1/models/next-word-en/next-word", json={"text": "the dog o"}).json()

    assert answer["suggestions"] == [{"word": "on", "probability": 1.0}]


def test_several_words_come_as_continuations(client: httpx.Client):
    answer = client.post("/v1/models/next-word-en/versions/1/next-word", json={"text": "the ", "words": 3, "top_k": 2}).json()

    first, second = answer["continuations"]
    assert len(first["text"].split()) == 3
    assert first["probability"] > second["probability"] > 0


def test_a_draw_with_a_seed_can_be_repeated(client: httpx.Client):
    body = {"text": "the ", "words": 4, "temperature": 1.5, "seed": 7}

    first, second = (client.post("/v1/models/next-word-en/next-word", json=body).content for _ in range(2))

    assert first == second


@pytest.mark.parametrize(("ink", "label"), [(40, "0"), (60, "1")])
def test_a_sequence_gets_a_label_and_every_probability(client: httpx.Client, ink: int, label: str):
    answer = client.post("/v1/models/digit-rows/classify", json={"sequences": [[[ink] * 28] * 28]}).json()

    assert answer["predictions"][0]["label"] == label
    assert sum(answer["predictions"][0]["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)


def test_an_older_classifier_answers_too(client: httpx.Client):
    answer = client.post("/v1/models/digit-rows/versions/1/classify", json={"sequences": [[[60] * 28] * 28, [[40] * 28] * 28]})

    assert [prediction["label"] for prediction in answer.json()["predictions"]] == ["1", "0"]


def test_any_forecaster_predicts_instances(client: httpx.Client):
    answer = client.post("/v1/models/share-price:predict", json={"instances": [PRICES, PRICES]}).json()

    assert answer["model"] == "share-price"
    assert [prediction["point"] for prediction in answer["predictions"]] == [[15.0] * 5] * 2


def test_what_is_asked_of_all_instances_stands_beside_them(client: httpx.Client):
    wanted = {"horizon": 2, "level": [80], "aggregate": "sum", "step_correlation": 0.5, "quantiles": [0.5], "explain": True}
    series = [{"id": name, "start": MONDAY, "values": HOURS} for name in "ab"]

    own = client.post("/v1/models/energy-load/forecast", json={"series": series, **wanted}).json()
    answer = client.post("/v1/models/energy-load:predict", json={"instances": series, "parameters": wanted}).json()

    assert answer["predictions"] == own["forecasts"]
    assert answer["predictions"][0]["intervals"] == {"80": {"low": [30.0, 30.0], "high": [38.0, 38.0]}}


def test_a_horizon_of_instances_can_be_rolled_forward(client: httpx.Client):
    body = {"instances": [{"start": MONDAY, "values": HOURS}], "parameters": {"horizon": 50, "extend": True}}

    answer = client.post("/v1/models/energy-load:predict", json=body).json()

    assert answer["predictions"][0]["extended_from"] == 48
    assert len(answer["predictions"][0]["point"]) == 50


def test_texts_share_what_they_do_not_say_themselves(client: httpx.Client):
    body = {"instances": ["the ", {"text": "the ", "top_k": 1}], "parameters": {"top_k": 2}}

    answer = client.post("/v1/models/next-word-en:predict", json=body).json()

    assert [len(prediction["suggestions"]) for prediction in answer["predictions"]] == [2, 1]


def test_any_next_word_model_predicts_texts_and_bodies(client: httpx.Client):
    body = {"instances": ["the dog o", {"text": "the ", "words": 2, "top_k": 1}]}

    answer = client.post("/v1/models/next-word-en/versions/1:predict", json=body).json()

    assert answer["version"] == 1
    assert answer["predictions"][0] == {"suggestions": [{"word": "on", "probability": 1.0}]}
    assert len(answer["predictions"][1]["continuations"]) == 1


def test_any_classifier_predicts_sequences(client: httpx.Client):
    answer = client.post("/v1/models/digit-rows:predict", json={"instances": [[[60] * 28] * 28]}).json()

    assert [prediction["label"] for prediction in answer["predictions"]] == ["1"]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/octet-stream", ""])
def test_the_body_is_json_whatever_its_content_type_says(client: httpx.Client, content_type: str):
    answer = client.post("/v1/models/next-word-en/next-word", content=b'{"text": "the "}', headers={"Content-Type": content_type})

    assert answer.status_code == 200


def test_a_forecast_that_is_no_number_is_an_error_and_not_an_answer():
    body = forecast.ForecastBody.model_validate({"series": [{"start": MONDAY, "values": HOURS}]})

    with pytest.raises(QuestionError, match="beyond the range of a 32-bit float"):
        converse(
            forecast.dialogue(manifest_of(energy_load()), None, body),
            lambda _inputs: {"quantiles": np.full((1, 48, 3), np.inf, np.float32)},
        )


def test_a_probability_that_is_no_number_is_an_error_and_not_an_answer():
    body = classify.ClassifyBody.model_validate({"sequences": [[[1e38] * 28] * 28]})

    with pytest.raises(QuestionError, match="no probability comes out"):
        converse(
            classify.dialogue(manifest_of(digit_rows()), None, body),
            lambda _inputs: {"probabilities": np.full((1, 10), np.nan, np.float32)},
        )

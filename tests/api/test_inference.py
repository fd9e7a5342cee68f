"""The Open Inference Protocol: metadata, health and tensors in JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.protocol import InferBody
from service.api.tensors_in import decode
from service.app import create_app
from service.oip.model_config import version_policy
from service.settings import Settings
from service.tasks.dialogue import QuestionError

from .bundled import Tiny, digit_rows, energy_load, manifest_of, next_word_en, share_price
from .conftest import serving

DIGIT = "/v2/models/digit-rows/infer"
IMAGE = {"name": "sequence", "datatype": "FP32", "shape": [1, 28, 28], "data": [60.0] * 784}


def test_a_server_says_what_it_is(client: httpx.Client):
    assert client.get("/v2").json() == {
        "name": "carousel",
        "version": "0.1.0",
        "extensions": [
            "binary_tensor_data",
            "classification",
            "generate",
            "model_configuration",
            "schedule_policy",
            "sequence",
            "sequence(string_id)",
            "statistics",
        ],
    }


@pytest.mark.parametrize("route", ["/v2/health/live", "/v2/health/ready"])
def test_health_has_both_words(client: httpx.Client, route: str):
    answer = client.get(route)

    assert answer.status_code == 200
    assert answer.json() == {"live": True, "ready": True}


@pytest.mark.parametrize("route", ["/v2/models/digit-rows", "/v2/models/digit-rows/versions/1"])
def test_metadata_name_every_tensor(client: httpx.Client, route: str):
    assert client.get(route).json() == {
        "name": "digit-rows",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "sequence", "datatype": "FP32", "shape": [-1, -1, 28]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
    }


@pytest.mark.parametrize("route", ["/v2/models/energy-load/ready", "/v2/models/energy-load/versions/1/ready"])
def test_a_served_model_is_ready(client: httpx.Client, route: str):
    assert client.get(route).json() == {"name": "energy-load", "ready": True}


@pytest.mark.parametrize("route", ["/v2/models/none", "/v2/models/none/ready", "/v2/none", "/v2/models/energy-load/versions/9/ready"])
def test_what_is_not_there_is_answered_404_as_the_protocol_writes_errors(client: httpx.Client, route: str):
    answer = client.get(route)

    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("data", [[60.0] * 784, [[[60.0] * 28] * 28], [[[60] * 28] * 28]])
def test_data_may_be_flat_or_nested(client: httpx.Client, data: list[Any]):
    answer = client.post(DIGIT, json={"id": "seven", "inputs": [{**IMAGE, "data": data}]})

    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in ("model_name", "model_version", "id")} == {
        "model_name": "digit-rows",
        "model_version": "1",
        "id": "seven",
    }
    (output,) = body["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("probabilities", "FP32", [1, 10])
    assert int(np.argmax(output["data"])) == 1


def test_outputs_can_be_chosen_and_states_go_in_and_out(client: httpx.Client):
    state = {"datatype": "FP32", "shape": [2, 1, 2], "data": [0.5] * 4}
    body = {
        "inputs": [
            {"name": "state_c", **state},
            {"name": "tokens", "datatype": "INT64", "shape": [2, 2], "data": [[0, 3], [0, 4]]},
            {"name": "state_h", **state},
        ],
        "outputs": [{"name": "next_state_c"}, {"name": "top_ids"}],
    }

    answer = client.post("/v2/models/next-word-en/versions/1/infer", json=body).json()

    assert "id" not in answer
    assert answer["outputs"][0] == {"name": "next_state_c", "datatype": "FP32", "shape": [2, 1, 2], "data": [1.5] * 4}
    assert answer["outputs"][1]["shape"] == [2, 3]
    assert answer["outputs"][1]["data"][::3] == [4, 5]


def test_null_is_a_missing_value_in_and_out(client: httpx.Client):
    inputs = [
        {"name": "target", "datatype": "FP32", "shape": [1, 2], "data": [1.0, None]},
        {"name": "future", "datatype": "FP32", "shape": [1, 50, 3], "data": [0.0] * 150},
    ]

    answer = client.post("/v2/models/energy-load/infer", json={"inputs": inputs})

    assert answer.json()["outputs"][0]["data"] == [None] * 48 * 3


def image(**changes: object) -> dict[str, Any]:
    return {"inputs": [{**IMAGE, **changes}]}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "inputs: this field is required"),
        ({"inputs": []}, "inputs: List should have at least 1 item"),
        ({"inputs": [IMAGE, IMAGE]}, "inputs.1.name: input 'sequence' is here twice"),
        (image(name="image"), "inputs.0.name: no input 'image': this model takes sequence"),
        (image(datatype="FP64"), "inputs.0.datatype: 'FP64': 'sequence' takes FP32"),
        (image(shape=[784]), "inputs.0.shape: shape [784]: 'sequence' takes [-1, -1, 28]"),
        (image(shape=[28, 0, 28]), "inputs.0.shape: shape [28, 0, 28]"),
        (image(shape=[-1, 28, 28]), "inputs.0.shape.0: this should be greater than or equal to 0"),
        (image(shape=[2**62, 4, 28]), "inputs.0.data: the data do not fill the shape"),
        (image(shape=[2**64, 1, 28]), "inputs.0.data: the data do not fill the shape"),
        (image(data=[1.0] * 783), "inputs.0.data: the data do not fill the shape [1, 28, 28]: 783 where 784 are needed"),
        (image(data=[[[1.0] * 28] * 27 + [[1.0] * 27]]), "27 where 28 are needed"),
        (image(data=[[[1.0] * 28] * 27 + [1.0]]), "no list where 28 are needed"),
        (image(data=[1.0] * 783 + ["1"]), "inputs.0.data.783: '1' is not FP32"),
        (image(data=[True] + [1.0] * 783), "inputs.0.data.0: 'True' is not FP32"),
        (image(data=[1e39] + [1.0] * 783), "inputs.0.data.0: not a finite number of FP32"),
        (image(data=[10**400] + [1.0] * 783), "inputs.0.data: a number is beyond the range of FP32"),
        ({**image(), "outputs": [{"name": "logits"}]}, "outputs.0.name: no output 'logits': this model gives probabilities"),
    ],
)
def test_wrong_tensors_are_answered_400_with_their_position(client: httpx.Client, body: dict[str, Any], error: str):
    answer = client.post(DIGIT, json=body)

    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_nan_in_tensors_is_refused(client: httpx.Client):
    body = '{"inputs": [{"name": "sequence", "datatype": "FP32", "shape": [1, 1, 28], "data": [NaN' + ", 1" * 27 + "]}]}"

    answer = client.post(DIGIT, content=body)

    assert answer.status_code == 400
    assert answer.json() == {"error": "inputs.0.data.0: not a finite number of FP32"}


def test_a_body_too_large_is_answered_413_as_the_protocol_writes_errors(client: httpx.Client):
    answer = client.post(DIGIT, content=b" " * 100_001)

    assert answer.status_code == 413
    assert list(answer.json()) == ["error"]


def tensor(name: str, shape: list[int], *, datatype: str = "FP32", value: float = 0) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": [value] * math.prod(shape)}


@pytest.mark.parametrize(
    ("tiny", "inputs", "message"),
    [
        (energy_load(), [tensor("target", [1, 2])], "input 'future' is missing"),
        (energy_load(), [tensor("target", [1, 2]), tensor("future", [1, 2, 3])], "2 steps: 2 of 'target' ask for 50"),
        (energy_load(), [tensor("target", [1, 2]), tensor("future", [2, 50, 3])], "2 rows beside 1 of 'target'"),
        (
            share_price(),
            [tensor("target", [1, 2]), tensor("past", [1, 3, 4]), tensor("future", [1, 7, 1])],
            "3 steps: 2 of 'target' ask for 2",
        ),
        (
            next_word_en(),
            [tensor("tokens", [1, 1], datatype="INT64", value=99), *(tensor(f"state_{s}", [1, 1, 2]) for s in "hc")],
            "tokens are 0 to",
        ),
        (
            next_word_en(),
            [tensor("tokens", [1, 1], datatype="INT64", value=-1), *(tensor(f"state_{s}", [1, 1, 2]) for s in "hc")],
            "tokens are 0 to",
        ),
        (next_word_en(), [tensor("tokens", [1, 1], datatype="INT64", value=1.0)], "'1.0' is not INT64"),
        (next_word_en(), [tensor("tokens", [1, 1], datatype="INT64", value=2**63)], "beyond the range of INT64"),
    ],
)
def test_tensors_that_do_not_fit_each_other_or_the_vocabulary_are_refused(tiny: Tiny, inputs: list[dict[str, Any]], message: str):
    body = InferBody.model_validate({"inputs": inputs})

    with pytest.raises(QuestionError, match=message):
        decode(manifest_of(tiny), body)


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=28, max_size=28), min_size=1, max_size=4))
def test_nested_and_flat_data_are_the_same_tensor(rows: list[list[float]]):
    manifest = manifest_of(digit_rows())
    shape = [1, len(rows), 28]
    nested, flat = (
        decode(manifest, InferBody.model_validate({"inputs": [{"name": "sequence", "datatype": "FP32", "shape": shape, "data": data}]}))
        for data in ([rows], [number for row in rows for number in row])
    )

    assert nested["sequence"].tobytes() == flat["sequence"].tobytes()
    assert flat["sequence"].tolist() == [rows]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("all", {"all": {}}), ("latest:2", {"latest": {"num_versions": 2}}), ("listed", {"specific": {"versions": [3, 5]}})],
)
def test_the_configuration_says_which_versions_are_served(policy: str, expected: dict[str, Any]):
    assert version_policy(Settings(version_policy=policy), [3, 5]) == expected


def test_a_service_that_is_about_to_stop_is_alive_and_not_ready(model_folder: Path):
    app = create_app(Settings(models=model_folder))
    with serving(app) as address:
        before = httpx.get(f"{address}/v2/health/ready").status_code
        app.context.registry.announce_stop()
        ready = httpx.get(f"{address}/v2/health/ready")
        live = httpx.get(f"{address}/v2/health/live")

    assert (before, ready.status_code) == (200, 503)
    assert "the service is stopping" in ready.json()["error"]
    assert live.json() == {"live": True, "ready": False}

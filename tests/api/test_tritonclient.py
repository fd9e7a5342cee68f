"""NVIDIA's `tritonclient.http`, unmodified, against a real server: each call that it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

DIGIT = np.full((2, 28, 28), 60, np.float32)
DIGIT[1] = 40


@pytest.fixture(scope="module")
def server(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address.removeprefix("http://"), concurrency=4) as client:
        yield client


@pytest.fixture(scope="module")
def open_server(open_address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(open_address.removeprefix("http://")) as client:
        yield client


def tensor(name: str, array: np.ndarray, *, datatype: str = "FP32", binary: bool = True) -> triton.InferInput:
    """An input with its data."""
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def words(*, binary: bool = True) -> list[triton.InferInput]:
    """Inputs of the next-word model: two texts and their states."""
    state = np.full((2, 1, 2), 0.5, np.float32)
    return [
        tensor("tokens", np.array([[0, 3], [0, 4]]), datatype="INT64", binary=binary),
        tensor("state_h", state, binary=binary),
        tensor("state_c", state, binary=binary),
    ]


def test_health_of_the_server_and_of_models(server: triton.InferenceServerClient):
    assert server.is_server_live() is True
    assert server.is_server_ready() is True
    assert server.is_model_ready("energy-load") is True
    assert server.is_model_ready("energy-load", "1") is True
    assert server.is_model_ready("energy-load", "3") is False
    assert server.is_model_ready("none") is False


def test_metadata_of_the_server_and_of_models(server: triton.InferenceServerClient):
    assert server.get_server_metadata()["name"] == "carousel"
    assert server.get_model_metadata("energy-load")["versions"] == ["1", "2"]
    assert server.get_model_metadata("digit-rows", "1")["inputs"] == [{"name": "sequence", "datatype": "FP32", "shape": [-1, -1, 28]}]


def test_the_configuration_of_a_model(server: triton.InferenceServerClient):
    config = server.get_model_config("digit-rows")

    assert server.get_model_config("digit-rows", "1") == config
    assert (config["name"], config["platform"], config["backend"]) == ("digit-rows", "onnx_onnxv1", "onnxruntime")
    assert config["max_batch_size"] == 32
    assert config["input"] == [{"name": "sequence", "data_type": "TYPE_FP32", "dims": [-1, 28]}]
    assert config["output"] == [{"name": "probabilities", "data_type": "TYPE_FP32", "dims": [10]}]
    assert config["version_policy"] == {"all": {}}


def test_inference_is_binary_both_ways_unless_told_otherwise(server: triton.InferenceServerClient):
    result = server.infer("digit-rows", [tensor("sequence", DIGIT)], request_id="seven")

    assert result.get_response()["id"] == "seven"
    assert (result.get_response()["model_name"], result.get_response()["model_version"]) == ("digit-rows", "1")
    assert result.get_output("probabilities") == {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [2, 10],
        "parameters": {"binary_data_size": 80},
    }
    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [1, 0]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tensors_in_json_and_in_bytes_are_the_same(server: triton.InferenceServerClient, binary_in: bool, binary_out: bool):
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("next_state_c", "top_ids")]

    result = server.infer("next-word-en", words(binary=binary_in), model_version="1", outputs=wanted)

    assert ("data" in result.get_output("top_ids")) is not binary_out
    assert result.as_numpy("next_state_c").tolist() == [[[1.5, 1.5]], [[1.5, 1.5]]]
    assert result.as_numpy("top_ids")[:, 0].tolist() == [4, 5]


def test_some_tensors_in_json_and_some_in_bytes(server: triton.InferenceServerClient):
    tokens, state_h, state_c = words()
    inputs = [state_h, words(binary=False)[0], state_c]
    wanted = [triton.InferRequestedOutput("top_ids", binary_data=False), triton.InferRequestedOutput("next_state_h", binary_data=True)]

    result = server.infer("next-word-en", inputs, outputs=wanted)

    assert tokens.name() == "tokens"
    assert result.as_numpy("top_ids")[:, 0].tolist() == [4, 5]
    assert result.as_numpy("next_state_h").tolist() == [[[3.25, 3.25]], [[4.25, 4.25]]]


def test_nan_goes_through_in_bytes(server: triton.InferenceServerClient):
    target = np.array([[1, np.nan]], np.float32)

    result = server.infer("energy-load", [tensor("target", target), tensor("future", np.zeros((1, 50, 3), np.float32))], model_version="2")

    assert np.isnan(result.as_numpy("quantiles")).all()


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
def test_bodies_may_be_compressed_both_ways(server: triton.InferenceServerClient, request_coding: str | None, response_coding: str | None):
    images = np.repeat(DIGIT[:, :4], 16, axis=0)  # long enough for an answer that is worth compressing

    result = server.infer(
        "digit-rows",
        [tensor("sequence", images)],
        request_compression_algorithm=request_coding,
        response_compression_algorithm=response_coding,
    )

    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [1] * 16 + [0] * 16


@pytest.mark.parametrize("binary", [True, False])
def test_classification_names_the_best_labels(server: triton.InferenceServerClient, binary: bool):
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)]

    result = server.infer("digit-rows", [tensor("sequence", DIGIT[:1])], outputs=wanted)

    best, second = (text.decode() if isinstance(text, bytes) else text for text in result.as_numpy("probabilities")[0])
    assert result.get_output("probabilities")["datatype"] == "BYTES"
    assert best == "0.999637:1:1"
    assert second.endswith(":2:2")


def test_classification_of_the_next_word_names_words(server: triton.InferenceServerClient):
    result = server.infer("next-word-en", words(), outputs=[triton.InferRequestedOutput("log_probs", class_count=1)])

    assert [text.split(b":", 1)[1].count(b":") for text in result.as_numpy("log_probs").ravel()] == [1, 1]


@pytest.mark.parametrize("options", [{"priority": 1}, {"timeout": 20_000_000}, {"parameters": {"colour": "red"}}])
def test_parameters_of_a_request_are_taken(server: triton.InferenceServerClient, options: dict[str, Any]):
    assert server.infer("digit-rows", [tensor("sequence", DIGIT)], **options).as_numpy("probabilities").shape == (2, 10)


@pytest.mark.parametrize("sequence_id", [7, "mine"])
def test_a_sequence_of_a_model_without_state_is_refused(server: triton.InferenceServerClient, sequence_id: int | str):
    with pytest.raises(InferenceServerException, match="has no state to keep from step to step: leave it out") as raised:
        server.infer("digit-rows", [tensor("sequence", DIGIT)], sequence_id=sequence_id, sequence_start=True)
    assert raised.value.status() == "400"


def test_a_request_that_is_late_is_answered_504(server: triton.InferenceServerClient):
    with pytest.raises(InferenceServerException, match="did not answer within 1e-06 s") as raised:
        server.infer("digit-rows", [tensor("sequence", DIGIT)], timeout=1)
    assert raised.value.status() == "504"


def test_inference_in_the_background(server: triton.InferenceServerClient):
    pending = [server.async_infer("digit-rows", [tensor("sequence", DIGIT)], request_id=str(number)) for number in range(8)]

    answers = [one.get_result(timeout=20).get_response()["id"] for one in pending]

    assert answers == [str(number) for number in range(8)]


def test_bodies_that_the_client_makes_and_reads_without_sending(server: triton.InferenceServerClient):
    import httpx

    body, json_size = triton.InferenceServerClient.generate_request_body([tensor("sequence", DIGIT)], request_id="a")
    address = server._parsed_url.host, server._parsed_url.port
    answer = httpx.post(
        "http://{}:{}/v2/models/digit-rows/infer".format(*address),
        content=body,
        headers={"Inference-Header-Content-Length": str(json_size)},
    )

    read = triton.InferenceServerClient.parse_response_body(
        answer.content, header_length=int(answer.headers["inference-header-content-length"])
    )
    assert read.as_numpy("probabilities").argmax(axis=1).tolist() == [1, 0]


def test_a_refusal_says_what_the_model_takes(server: triton.InferenceServerClient):
    with pytest.raises(InferenceServerException, match=r"'INT64': 'sequence' takes FP32") as raised:
        server.infer("digit-rows", [tensor("sequence", DIGIT.astype(np.int64), datatype="INT64")])
    assert raised.value.status() == "400"


def test_statistics_count_rows_runs_and_phases(server: triton.InferenceServerClient):
    before = server.get_inference_statistics("share-price", "1")["model_stats"][0]
    inputs = [tensor("target", np.ones((3, 4), np.float32)), tensor("past", np.ones((3, 4, 4), np.float32))]

    server.infer("share-price", [*inputs, tensor("future", np.ones((3, 9, 1), np.float32))])

    (after,) = server.get_inference_statistics("share-price")["model_stats"]
    assert after["inference_count"] - before["inference_count"] == 3
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"] == 1
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]
    assert 3 in [batch["batch_size"] for batch in after["batch_stats"]]


def test_statistics_of_all_models_have_every_version(server: triton.InferenceServerClient):
    found = server.get_inference_statistics()["model_stats"]

    assert [(one["name"], one["version"]) for one in found] == [
        ("digit-rows", "1"),
        ("energy-load", "1"),
        ("energy-load", "2"),
        ("next-word-en", "1"),
        ("share-price", "1"),
    ]


def test_the_index_names_every_version_and_what_is_wrong_with_it(server: triton.InferenceServerClient):
    index = {(entry["name"], entry["version"]): entry for entry in server.get_model_repository_index()}

    assert index["energy-load", "2"] == {"name": "energy-load", "version": "2", "state": "READY", "reason": ""}
    assert index["broken", "1"]["state"] == "UNAVAILABLE"
    assert "manifest.json cannot be read" in index["broken", "1"]["reason"]


def test_models_are_unloaded_and_loaded(open_server: triton.InferenceServerClient):
    open_server.unload_model("digit-rows")
    gone = open_server.is_model_ready("digit-rows")
    open_server.load_model("digit-rows")

    assert gone is False
    assert open_server.is_model_ready("digit-rows") is True
    assert "model_repository" in open_server.get_server_metadata()["extensions"]


def test_a_model_is_not_loaded_where_the_repository_is_closed(server: triton.InferenceServerClient):
    for change in (server.load_model, server.unload_model):
        with pytest.raises(InferenceServerException, match="--repository-mode explicit") as raised:
            change("digit-rows")
        assert raised.value.status() == "403"


@pytest.mark.parametrize("override", [{"config": "{}"}, {"config": "{}", "files": {"file:1/model.onnx": b"x"}}])
def test_a_model_is_not_loaded_from_a_request(open_server: triton.InferenceServerClient, override: dict[str, Any]):
    with pytest.raises(InferenceServerException, match="models come from the model folder alone"):
        open_server.load_model("digit-rows", **override)


def test_a_model_that_is_nowhere_is_not_loaded(open_server: triton.InferenceServerClient):
    with pytest.raises(InferenceServerException, match="no model 'none'") as raised:
        open_server.load_model("none")
    assert raised.value.status() == "404"


def test_no_memory_is_shared(server: triton.InferenceServerClient):
    assert server.get_system_shared_memory_status() == []
    assert server.get_cuda_shared_memory_status() == []
    server.unregister_system_shared_memory()
    server.unregister_system_shared_memory("mine")
    server.unregister_cuda_shared_memory()
    server.unregister_cuda_shared_memory("mine")
    for refused in (
        lambda: server.get_system_shared_memory_status("mine"),
        lambda: server.get_cuda_shared_memory_status("mine"),
        lambda: server.register_system_shared_memory("mine", "/mine", 64),
        lambda: server.register_cuda_shared_memory("mine", b"handle", 0, 64),
    ):
        with pytest.raises(InferenceServerException, match="no memory is shared with callers, send tensors in bodies"):
            refused()


def test_a_tensor_in_shared_memory_is_refused(server: triton.InferenceServerClient):
    shared = triton.InferInput("sequence", [1, 28, 28], "FP32")
    shared.set_shared_memory("mine", 3136)
    output = triton.InferRequestedOutput("probabilities")
    output.set_shared_memory("mine", 40)

    with pytest.raises(InferenceServerException, match="no memory is shared with callers: send the tensor in the body"):
        server.infer("digit-rows", [shared])
    with pytest.raises(InferenceServerException, match="no memory is shared with callers: the tensor comes in the body"):
        server.infer("digit-rows", [tensor("sequence", DIGIT)], outputs=[output])


def test_nothing_is_traced(server: triton.InferenceServerClient):
    assert server.get_trace_settings()["trace_level"] == ["OFF"]
    assert server.get_trace_settings("digit-rows") == server.update_trace_settings()
    with pytest.raises(InferenceServerException, match="requests are not traced here"):
        server.update_trace_settings(settings={"trace_level": "TIMESTAMPS"})
    with pytest.raises(InferenceServerException, match="no model 'none'"):
        server.get_trace_settings("none")


def test_the_log_is_as_it_was_started(server: triton.InferenceServerClient):
    assert server.get_log_settings() == {
        "log_file": "",
        "log_info": True,
        "log_warning": True,
        "log_error": True,
        "log_verbose_level": 0,
        "log_format": "text",
    }
    assert server.update_log_settings({}) == server.get_log_settings()
    with pytest.raises(InferenceServerException, match="the log is set at the start: use --log-level"):
        server.update_log_settings({"log_verbose_level": 1})

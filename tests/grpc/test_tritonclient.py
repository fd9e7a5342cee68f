"""NVIDIA's `tritonclient.grpc`, unmodified, against a real server: each call that it has."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from service.grpc_api.messages import RepositoryIndexRequest

DIGIT = np.full((2, 28, 28), 60, np.float32)
DIGIT[1] = 40
Client = triton.InferenceServerClient


@pytest.fixture(scope="module")
def server(grpc_address: str) -> Iterator[Client]:
    with Client(grpc_address) as client:
        yield client


@pytest.fixture(scope="module")
def open_server(open_grpc_address: str) -> Iterator[Client]:
    with Client(open_grpc_address) as client:
        yield client


def tensor(name: str, array: np.ndarray, datatype: str = "FP32") -> triton.InferInput:
    """An input with its data."""
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def words() -> list[triton.InferInput]:
    """Inputs of the next-word model: two texts and their states."""
    state = np.full((2, 1, 2), 0.5, np.float32)
    return [tensor("tokens", np.array([[0, 3], [0, 4]]), "INT64"), tensor("state_h", state), tensor("state_c", state)]


def test_health_of_the_server_and_of_models(server: Client):
    assert server.is_server_live() is True
    assert server.is_server_ready() is True
    assert server.is_model_ready("energy-load") is True
    assert server.is_model_ready("energy-load", "1") is True
    assert server.is_model_ready("energy-load@older") is True
    assert server.is_model_ready("energy-load@newer") is False
    assert server.is_model_ready("energy-load", "3") is False
    assert server.is_model_ready("none") is False


def test_metadata_of_the_server_names_the_extensions_that_work_over_grpc(server: Client, open_server: Client):
    metadata = server.get_server_metadata(as_json=True)

    assert metadata["name"] == "carousel"
    assert metadata["extensions"] == [
        "classification",
        "model_configuration",
        "schedule_policy",
        "sequence",
        "sequence(string_id)",
        "statistics",
    ]
    assert "model_repository" in open_server.get_server_metadata().extensions


def test_metadata_of_models(server: Client):
    metadata = server.get_model_metadata("energy-load")

    assert (metadata.name, list(metadata.versions), metadata.platform) == ("energy-load", ["1", "2"], "onnx_onnxv1")
    assert server.get_model_metadata("digit-rows", "1", as_json=True)["inputs"] == [
        {"name": "sequence", "datatype": "FP32", "shape": ["-1", "-1", "28"]}
    ]


def test_the_configuration_of_a_model(server: Client):
    config = server.get_model_config("digit-rows").config

    assert server.get_model_config("digit-rows", "1").config == config
    assert (config.name, config.platform, config.backend) == ("digit-rows", "onnx_onnxv1", "onnxruntime")
    assert config.max_batch_size == 32
    assert [(one.name, one.data_type, list(one.dims)) for one in config.input] == [("sequence", 11, [-1, 28])]
    assert [(one.name, one.data_type, list(one.dims)) for one in config.output] == [("probabilities", 11, [10])]
    assert config.version_policy.HasField("all")
    assert [(group.kind, group.count) for group in config.instance_group] == [(2, 1)]
    assert (config.dynamic_batching.priority_levels, config.dynamic_batching.default_priority_level) == (3, 2)


def test_inference_answers_with_model_version_and_id(server: Client):
    result = server.infer("digit-rows", [tensor("sequence", DIGIT)], request_id="seven")

    answer = result.get_response()
    assert (answer.id, answer.model_name, answer.model_version) == ("seven", "digit-rows", "1")
    assert list(result.get_output("probabilities").shape) == [2, 10]
    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [1, 0]


def test_several_inputs_and_chosen_outputs(server: Client):
    wanted = [triton.InferRequestedOutput(name) for name in ("next_state_c", "top_ids")]

    result = server.infer("next-word-en", words(), model_version="1", outputs=wanted)

    assert [output.name for output in result.get_response().outputs] == ["next_state_c", "top_ids"]
    assert result.as_numpy("next_state_c").tolist() == [[[1.5, 1.5]], [[1.5, 1.5]]]
    assert result.as_numpy("top_ids")[:, 0].tolist() == [4, 5]


def test_a_label_leads_to_its_version(server: Client):
    inputs = [tensor("target", np.ones((1, 2), np.float32)), tensor("future", np.zeros((1, 50, 3), np.float32))]

    assert server.infer("energy-load@older", inputs).get_response().model_version == "1"
    assert server.infer("energy-load", inputs).get_response().model_version == "2"
    with pytest.raises(InferenceServerException, match="name a label or a version, not both"):
        server.infer("energy-load@older", inputs, model_version="1")


def test_nan_goes_through(server: Client):
    target = np.array([[1, np.nan]], np.float32)

    result = server.infer("energy-load", [tensor("target", target), tensor("future", np.zeros((1, 50, 3), np.float32))])

    assert np.isnan(result.as_numpy("quantiles")).all()


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_requests_may_be_compressed(server: Client, coding: str | None):
    images = np.repeat(DIGIT, 14, axis=0)

    result = server.infer("digit-rows", [tensor("sequence", images)], compression_algorithm=coding)

    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [1] * 14 + [0] * 14


def test_classification_names_the_best_labels(server: Client):
    wanted = [triton.InferRequestedOutput("probabilities", class_count=2)]

    result = server.infer("digit-rows", [tensor("sequence", DIGIT)], outputs=wanted)

    assert result.get_output("probabilities").datatype == "BYTES"
    assert result.as_numpy("probabilities").tolist() == [[b"0.999637:1:1", b"0.000045:2:2"], [b"0.999637:0:0", b"0.000045:2:2"]]


@pytest.mark.parametrize("options", [{"priority": 1}, {"timeout": 20_000_000}, {"parameters": {"colour": "red", "size": 1, "big": True}}])
def test_parameters_of_a_request_are_taken(server: Client, options: dict[str, Any]):
    assert server.infer("digit-rows", [tensor("sequence", DIGIT)], **options).as_numpy("probabilities").shape == (2, 10)


@pytest.mark.parametrize("sequence_id", [7, "mine"])
def test_a_sequence_of_a_model_without_state_is_refused(server: Client, sequence_id: int | str):
    with pytest.raises(InferenceServerException, match="has no state to keep from step to step: leave it out") as raised:
        server.infer("digit-rows", [tensor("sequence", DIGIT)], sequence_id=sequence_id, sequence_start=True)
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_request_that_is_late_by_its_parameter_is_told_so(server: Client):
    with pytest.raises(InferenceServerException, match="did not answer within 1e-06 s") as raised:
        server.infer("digit-rows", [tensor("sequence", DIGIT)], timeout=1)
    assert raised.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_inference_in_the_background(server: Client):
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for number in range(8):
        server.async_infer(
            "digit-rows",
            [tensor("sequence", DIGIT)],
            callback=lambda result, error: answers.put((result, error)),
            request_id=str(number),
        )

    found = [answers.get(timeout=20) for _ in range(8)]

    assert [error for _, error in found] == [None] * 8
    assert sorted(result.get_response().id for result, _ in found) == list("01234567")


def test_a_stream_is_answered_in_its_order_and_goes_on_after_an_error(server: Client):
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    server.start_stream(lambda result, error: answers.put((result, error)), compression_algorithm="gzip")
    for number in range(40):
        name = "none" if number == 20 else "digit-rows"
        server.async_stream_infer(name, [tensor("sequence", DIGIT)], request_id=str(number), enable_empty_final_response=True)
    server.stop_stream()

    found = [answers.get(timeout=20) for _ in range(40)]

    errors = [(number, error.message()) for number, (_, error) in enumerate(found) if error is not None]
    ids = [result.get_response().id for result, _ in found if result is not None]
    finals = [result.get_response().parameters["triton_final_response"].bool_param for result, _ in found if result is not None]
    assert errors == [(20, "no model 'none'; served here: digit-rows, energy-load, next-word-en, share-price")]
    assert ids == [str(number) for number in range(40) if number != 20]
    assert all(finals)


def test_a_refusal_says_what_the_model_takes(server: Client):
    with pytest.raises(InferenceServerException, match=r"inputs\.0\.datatype: 'INT64': 'sequence' takes FP32") as raised:
        server.infer("digit-rows", [tensor("sequence", DIGIT.astype(np.int64), "INT64")])
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"


@pytest.mark.parametrize(("name", "version"), [("none", ""), ("digit-rows", "9"), ("digit-rows@mine", "")])
def test_what_is_not_served_is_not_found(server: Client, name: str, version: str):
    for ask in (
        lambda: server.infer(name, [tensor("sequence", DIGIT)], model_version=version),
        lambda: server.get_model_metadata(name, version),
        lambda: server.get_model_config(name, version),
        lambda: server.get_inference_statistics(name, version),
    ):
        with pytest.raises(InferenceServerException, match=r"no (model|version|label)") as raised:
            ask()
        assert raised.value.status() == "StatusCode.NOT_FOUND"


def test_a_version_that_is_no_number_is_refused(server: Client):
    with pytest.raises(InferenceServerException, match="'newest' is no version: a whole number from 1") as raised:
        server.is_model_ready("digit-rows", "newest")
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_message_over_the_limit_is_refused(server: Client):
    with pytest.raises(InferenceServerException, match=r"larger than max \(\d+ vs. 100000\)") as raised:
        server.infer("digit-rows", [tensor("sequence", np.zeros((40, 28, 28), np.float32))])
    assert raised.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


def test_a_message_that_becomes_too_large_is_refused(server: Client):
    with pytest.raises(InferenceServerException, match="larger than max") as raised:
        server.infer("digit-rows", [tensor("sequence", np.zeros((4000, 28, 28), np.float32))], compression_algorithm="gzip")
    assert raised.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


def test_statistics_count_rows_runs_and_phases(server: Client):
    before = server.get_inference_statistics("share-price", "1").model_stats[0]
    inputs = [tensor("target", np.ones((3, 4), np.float32)), tensor("past", np.ones((3, 4, 4), np.float32))]

    server.infer("share-price", [*inputs, tensor("future", np.ones((3, 9, 1), np.float32))])

    (after,) = server.get_inference_statistics("share-price").model_stats
    assert after.inference_count - before.inference_count == 3
    assert after.execution_count - before.execution_count == 1
    assert after.inference_stats.success.count - before.inference_stats.success.count == 1
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns
    assert 3 in [batch.batch_size for batch in after.batch_stats]


def test_statistics_of_all_models_have_every_version(server: Client):
    found = server.get_inference_statistics().model_stats

    assert [(one.name, one.version) for one in found] == [
        ("digit-rows", "1"),
        ("energy-load", "1"),
        ("energy-load", "2"),
        ("next-word-en", "1"),
        ("share-price", "1"),
    ]
    assert [one.version for one in server.get_inference_statistics("energy-load@older").model_stats] == ["1"]


def test_the_index_names_every_version_and_what_is_wrong_with_it(server: Client):
    index = {(entry.name, entry.version): entry for entry in server.get_model_repository_index().models}

    assert (index["energy-load", "2"].state, index["energy-load", "2"].reason) == ("READY", "")
    assert index["broken", "1"].state == "UNAVAILABLE"
    assert "manifest.json cannot be read" in index["broken", "1"].reason


def test_there_is_one_repository_and_it_has_no_name(grpc_address: str):
    with grpc.insecure_channel(grpc_address) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")
        with pytest.raises(grpc.RpcError) as raised:
            ask(RepositoryIndexRequest(repository_name="mine").SerializeToString(), timeout=20)

    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details() == "repository_name 'mine': there is one repository, which has no name: leave this empty"


def test_models_are_unloaded_and_loaded(open_server: Client):
    open_server.unload_model("digit-rows")
    gone = open_server.is_model_ready("digit-rows")
    open_server.load_model("digit-rows")

    assert gone is False
    assert open_server.is_model_ready("digit-rows") is True


def test_a_model_is_not_loaded_where_the_repository_is_closed(server: Client):
    for change in (server.load_model, server.unload_model):
        with pytest.raises(InferenceServerException, match="--repository-mode explicit") as raised:
            change("digit-rows")
        assert raised.value.status() == "StatusCode.PERMISSION_DENIED"


@pytest.mark.parametrize("override", [{"config": "{}"}, {"config": "{}", "files": {"file:1/model.onnx": b"x"}}])
def test_a_model_is_not_loaded_from_a_request(open_server: Client, override: dict[str, Any]):
    with pytest.raises(InferenceServerException, match="models come from the model folder alone") as raised:
        open_server.load_model("digit-rows", **override)
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_model_that_is_nowhere_is_not_loaded(open_server: Client):
    with pytest.raises(InferenceServerException, match="no model 'none'") as raised:
        open_server.load_model("none")
    assert raised.value.status() == "StatusCode.NOT_FOUND"


def test_no_memory_is_shared(server: Client):
    assert len(server.get_system_shared_memory_status().regions) == 0
    assert len(server.get_cuda_shared_memory_status().regions) == 0
    server.unregister_system_shared_memory()
    server.unregister_system_shared_memory("mine")
    server.unregister_cuda_shared_memory()
    server.unregister_cuda_shared_memory("mine")
    for refused in (
        lambda: server.get_system_shared_memory_status("mine"),
        lambda: server.get_cuda_shared_memory_status("mine"),
        lambda: server.register_system_shared_memory("mine", "/mine", 64),
        lambda: server.register_cuda_shared_memory("mine", b"aGFuZGxl", 0, 64),
    ):
        with pytest.raises(InferenceServerException, match="no memory is shared with callers, send tensors in bodies"):
            refused()


def test_a_tensor_in_shared_memory_is_refused(server: Client):
    shared = triton.InferInput("sequence", [1, 28, 28], "FP32")
    shared.set_shared_memory("mine", 3136)
    output = triton.InferRequestedOutput("probabilities")
    output.set_shared_memory("mine", 40)

    with pytest.raises(InferenceServerException, match="no memory is shared with callers: send the tensor in the body"):
        server.infer("digit-rows", [shared])
    with pytest.raises(InferenceServerException, match="no memory is shared with callers: the tensor comes in the body"):
        server.infer("digit-rows", [tensor("sequence", DIGIT)], outputs=[output])


def test_nothing_is_traced(server: Client):
    assert list(server.get_trace_settings().settings["trace_level"].value) == ["OFF"]
    assert server.get_trace_settings("digit-rows") == server.get_trace_settings() == server.update_trace_settings()
    with pytest.raises(InferenceServerException, match="requests are not traced here"):
        server.update_trace_settings(settings={"trace_level": "TIMESTAMPS"})
    with pytest.raises(InferenceServerException, match="no model 'none'"):
        server.get_trace_settings("none")


def test_the_log_is_as_it_was_started(server: Client):
    assert server.get_log_settings(as_json=True)["settings"] == {
        "log_file": {"string_param": ""},
        "log_info": {"bool_param": True},
        "log_warning": {"bool_param": True},
        "log_error": {"bool_param": True},
        "log_verbose_level": {"uint32_param": 0},
        "log_format": {"string_param": "text"},
    }
    assert server.update_log_settings({}) == server.get_log_settings()
    with pytest.raises(InferenceServerException, match="the log is set at the start: use --log-level"):
        server.update_log_settings({"log_verbose_level": 1})


def test_the_client_has_no_call_that_is_not_made_above():
    calls = {name for name in dir(Client) if not name.startswith("_")}

    assert calls - {"plugin", "register_plugin", "unregister_plugin"} == {
        "async_infer",
        "async_stream_infer",
        "close",
        "get_cuda_shared_memory_status",
        "get_inference_statistics",
        "get_log_settings",
        "get_model_config",
        "get_model_metadata",
        "get_model_repository_index",
        "get_server_metadata",
        "get_system_shared_memory_status",
        "get_trace_settings",
        "infer",
        "is_model_ready",
        "is_server_live",
        "is_server_ready",
        "load_model",
        "register_cuda_shared_memory",
        "register_system_shared_memory",
        "start_stream",
        "stop_stream",
        "unload_model",
        "unregister_cuda_shared_memory",
        "unregister_system_shared_memory",
        "update_log_settings",
        "update_trace_settings",
    }

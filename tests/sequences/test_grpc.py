"""NVIDIA's `tritonclient.grpc`, unmodified: sequences one call at a time and on a stream."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from .models import WIDTH
from .test_http import NAME, TOKENS, alone, client_of

Client = triton.InferenceServerClient


@pytest.fixture(scope="module")
def server(addresses: tuple[str, str]) -> Iterator[Client]:
    with Client(addresses[1]) as client:
        yield client


def given(*tokens: int) -> list[triton.InferInput]:
    made = triton.InferInput("tokens", [1, len(tokens)], "INT64")
    made.set_data_from_numpy(np.array([tokens]))
    return [made]


@pytest.mark.parametrize("sequence", [41, "forty-one"])
def test_steps_are_one_run_over_the_whole_text(server: Client, models: Path, sequence: int | str):
    stepped = [
        server.infer(NAME, given(token), sequence_id=sequence, sequence_start=number == 0, sequence_end=number == 6)
        for number, token in enumerate(TOKENS)
    ]

    np.testing.assert_allclose([result.as_numpy("log_probs")[0] for result in stepped], alone(models, 2), atol=1e-6)
    said = stepped[2].get_response()
    choice = said.parameters["sequence_id"].WhichOneof("parameter_choice")
    assert (getattr(said.parameters["sequence_id"], choice), said.parameters["sequence_index"].int64_param) == (sequence, 2)
    assert [output.name for output in said.outputs] == ["log_probs", "top_ids", "top_log_probs"]


def test_steps_on_a_stream_are_taken_in_its_order(server: Client, models: Path):
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    server.start_stream(lambda result, error: answers.put((result, error)))
    for number, token in enumerate(TOKENS):
        server.async_stream_infer(NAME, given(token), sequence_id=55, sequence_start=number == 0, sequence_end=number == 6)
    server.stop_stream()

    found = [answers.get(timeout=20) for _ in TOKENS]

    assert [error for _, error in found] == [None] * len(TOKENS)
    np.testing.assert_allclose([result.as_numpy("log_probs")[0] for result, _ in found], alone(models, 2), atol=1e-6)


def test_a_step_is_taken_once_and_one_that_is_not_next_is_refused(server: Client):
    def step(token: int, index: int) -> Any:
        asked = {"sequence_id": "once", "sequence_start": index == 0, "parameters": {"sequence_index": index}}
        return server.infer(NAME, given(token), **asked).as_numpy("log_probs").tolist()

    assert step(0, 0) == step(0, 0)
    assert step(3, 1) == step(3, 1)
    with pytest.raises(InferenceServerException, match="is at step 2, not 5: steps between are missing") as raised:
        step(4, 5)
    assert raised.value.status() == "StatusCode.FAILED_PRECONDITION"
    with pytest.raises(InferenceServerException, match="was never begun here") as raised:
        server.infer(NAME, given(0), sequence_id="nobody")
    assert raised.value.status() == "StatusCode.NOT_FOUND"


def test_a_sequence_begun_over_http_goes_on_over_grpc(server: Client, models: Path, addresses: tuple[str, str]):
    with client_of(addresses[0]) as client:
        client.step(TOKENS[0], 77, start=True)
    second = server.infer(NAME, given(TOKENS[1]), sequence_id=77, model_version="")

    np.testing.assert_allclose(second.as_numpy("log_probs")[0], alone(models, 2)[1], atol=1e-6)
    with pytest.raises(InferenceServerException, match="is of version 2, not 1"):
        server.infer(NAME, given(0), sequence_id=77, model_version="1")


def test_states_are_given_where_they_are_asked_for_and_taken_never(server: Client):
    wanted = [triton.InferRequestedOutput("a_state")]
    state = triton.InferInput("state_c", [1, 1, WIDTH], "FP32")
    state.set_data_from_numpy(np.zeros((1, 1, WIDTH), np.float32))

    result = server.infer(NAME, given(0), sequence_id=5, sequence_start=True, outputs=wanted)

    assert result.as_numpy("a_state").shape == (1, 1, WIDTH)
    with pytest.raises(InferenceServerException, match="state 'state_c' is kept here for the sequence: leave it out"):
        server.infer(NAME, [*given(0), state], sequence_id=5, sequence_start=True)


def test_the_configuration_tells_of_sequences(server: Client):
    config = server.get_model_config(NAME).config

    assert config.WhichOneof("scheduling_choice") == "sequence_batching"
    assert config.sequence_batching.max_sequence_idle_microseconds == 300_000_000
    assert [(state.input_name, state.output_name, list(state.dims)) for state in config.sequence_batching.state] == [
        ("state_h", "z_state", [1, WIDTH]),
        ("state_c", "a_state", [1, WIDTH]),
    ]
    assert config.sequence_batching.state[0].initial_state[0].zero_data is True
    assert server.get_model_config("classes").config.WhichOneof("scheduling_choice") == "dynamic_batching"

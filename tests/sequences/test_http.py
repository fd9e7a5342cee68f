"""NVIDIA's `tritonclient.http`, unmodified, and plain HTTP: sequences of a real LSTM on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from service.app import create_app
from service.settings import Settings
from tests import artifacts
from tests.api.conftest import serving

from .models import WIDTH, loaded, lstm

TOKENS = (0, 3, 5, 2, 6, 1, 4)
NAME = "words"


@dataclass(frozen=True, slots=True)
class Client:
    """Asks for steps of one token."""

    server: triton.InferenceServerClient

    def step(self, token: int, sequence: int | str, *, start: bool = False, end: bool = False, index: int | None = None) -> NDArray[Any]:
        """Log-probabilities of what follows."""
        return self.asked([token], sequence, start=start, end=end, index=index).as_numpy("log_probs")[0]

    def asked(
        self,
        tokens: list[int],
        sequence: int | str,
        *,
        start: bool = False,
        end: bool = False,
        index: int | None = None,
        model: str = NAME,
        **more: Any,
    ) -> triton.InferResult:
        parameters = {} if index is None else {"sequence_index": index}
        return self.server.infer(
            model, [given(tokens)], sequence_id=sequence, sequence_start=start, sequence_end=end, parameters=parameters, **more
        )


@contextmanager
def client_of(address: str) -> Iterator[Client]:
    with triton.InferenceServerClient(address.removeprefix("http://")) as server:
        yield Client(server)


@pytest.fixture(scope="module")
def client(addresses: tuple[str, str]) -> Iterator[Client]:
    with client_of(addresses[0]) as client:
        yield client


@pytest.fixture(scope="module")
def http(addresses: tuple[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{addresses[0]}/v2/models/{NAME}") as client:
        yield client


def given(tokens: list[int]) -> triton.InferInput:
    made = triton.InferInput("tokens", [1, len(tokens)], "INT64")
    made.set_data_from_numpy(np.array([tokens]))
    return made


def alone(models: Path, version: int) -> list[NDArray[Any]]:
    """Log-probabilities behind each beginning of `TOKENS`, each read as a whole by the graph itself."""
    zeros = np.zeros((1, 1, WIDTH), np.float32)
    with loaded(models, NAME, version) as model:
        run = [
            model.backend.run({"tokens": np.array([TOKENS[: end + 1]]), "state_h": zeros, "state_c": zeros}) for end in range(len(TOKENS))
        ]
    return [outputs["log_probs"][0] for outputs in run]


def refused(client: Client, tokens: list[int], sequence: int | str, **which: Any) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as raised:
        client.asked(tokens, sequence, **which)
    return raised.value.status(), raised.value.message()


def test_steps_are_one_run_over_the_whole_text(client: Client, models: Path):
    stepped = [client.step(token, 7, start=number == 0, end=number == 6) for number, token in enumerate(TOKENS)]

    np.testing.assert_allclose(stepped, alone(models, 2), atol=1e-6)


def test_a_step_may_have_several_tokens(client: Client, models: Path):
    client.asked(list(TOKENS[:3]), "several", start=True)
    last = client.asked(list(TOKENS[3:]), "several", end=True).as_numpy("log_probs")[0]

    np.testing.assert_allclose(last, alone(models, 2)[-1], atol=1e-6)


def test_a_step_sent_again_is_answered_again_and_does_not_advance(client: Client, models: Path):
    stepped = []
    for number, token in enumerate(TOKENS):
        first = client.step(token, "again", start=number == 0, index=number)
        np.testing.assert_allclose(client.step(token, "again", start=number == 0, index=number), first, atol=1e-6)
        stepped.append(first)

    np.testing.assert_allclose(stepped, alone(models, 2), atol=1e-6)
    assert refused(client, [1], "again", index=3) == (
        "409",
        "sequence 'again' of 'words' is at step 7, not 3: step 3 was taken before, and only step 6 can be sent again",
    )


def test_sequences_at_the_same_time_do_not_mix(addresses: tuple[str, str], models: Path):
    def stepped(sequence: int) -> list[NDArray[Any]]:
        with client_of(addresses[0]) as own:
            return [own.step(token, 100 + sequence, start=number == 0) for number, token in enumerate(TOKENS)]

    whole = alone(models, 2)

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(stepped, range(16)):
            np.testing.assert_allclose(found, whole, atol=1e-6)


def test_states_are_left_out_of_answers_unless_they_are_asked_for(client: Client):
    plain = client.asked([0], "states", start=True).get_response()
    wanted = [triton.InferRequestedOutput("z_state"), triton.InferRequestedOutput("top_ids", class_count=1)]
    asked = client.asked([1], "states", outputs=wanted)

    assert [output["name"] for output in plain["outputs"]] == ["log_probs", "top_ids", "top_log_probs"]
    assert asked.as_numpy("z_state").shape == (1, 1, WIDTH)
    assert plain["parameters"] == {"sequence_id": "states", "sequence_index": 0}
    assert asked.get_response()["parameters"] == {"sequence_id": "states", "sequence_index": 1}


def test_a_number_and_the_same_number_as_text_are_one_sequence(client: Client):
    client.asked([0], 18446744073709551615, start=True)

    assert client.asked([1], "18446744073709551615").get_response()["parameters"]["sequence_index"] == 1


def test_without_a_sequence_every_state_is_still_sent(client: Client):
    with pytest.raises(InferenceServerException, match="input 'state_h' is missing"):
        client.server.infer(NAME, [given([0])])


def test_a_sequence_that_is_not_there_is_answered_404(client: Client):
    assert refused(client, [0], "nobody's") == (
        "404",
        "sequence \"nobody's\" of 'words' was never begun here, or so long ago that nothing is known of it: begin it with sequence_start",
    )


def test_what_does_not_go_together_is_answered_400(client: Client):
    state = triton.InferInput("state_h", [1, 1, WIDTH], "FP32")
    state.set_data_from_numpy(np.zeros((1, 1, WIDTH), np.float32))
    rows = triton.InferInput("tokens", [2, 1], "INT64")
    rows.set_data_from_numpy(np.array([[0], [1]]))
    ask = client.server.infer
    wrong = {
        "inputs.1.name: state 'state_h' is kept here for the sequence: leave it out": lambda: ask(
            NAME, [given([0]), state], sequence_id=1, sequence_start=True
        ),
        "inputs: a step of a sequence is one row: send the others as sequences of their own": lambda: ask(
            NAME, [rows], sequence_id=1, sequence_start=True
        ),
        "parameters.sequence_index: a sequence starts with step 0, not 3": lambda: client.asked([0], 1, start=True, index=3),
        "parameters.sequence_id: which sequence? name it by a number from 1 or by text": lambda: ask(
            NAME, [given([0])], parameters={"sequence_index": 1}
        ),
        "parameters.sequence_id: 'classes' has no state to keep from step to step: leave it out": lambda: client.asked(
            [0], 1, start=True, model="classes"
        ),
    }

    for words, call in wrong.items():
        with pytest.raises(InferenceServerException) as raised:
            call()
        assert (raised.value.status(), raised.value.message()) == ("400", words)
    assert refused(client, [0], "a" * 129, start=True) == (
        "400",
        "parameters.sequence_id: this should be a whole number from 0 to 2^64 - 1, or text of at most 128 characters",
    )


def test_a_wrong_output_does_not_advance(client: Client):
    client.asked([0], "wrong", start=True, index=0)
    with pytest.raises(InferenceServerException, match="no output 'none'"):
        client.asked([1], "wrong", index=1, outputs=[triton.InferRequestedOutput("none")])

    assert client.asked([1], "wrong", index=1).get_response()["parameters"]["sequence_index"] == 1


def test_a_sequence_stays_on_the_version_it_began_on(client: Client, models: Path, addresses: tuple[str, str]):
    client.asked([TOKENS[0]], "old", start=True, model_version="1")
    second = client.asked([TOKENS[1]], "old")

    assert second.get_response()["model_version"] == "1"
    np.testing.assert_allclose(second.as_numpy("log_probs")[0], alone(models, 1)[1], atol=1e-6)
    assert refused(client, [0], "old", model_version="2")[0] == "409"
    body = {"inputs": [{"name": "tokens", "datatype": "INT64", "shape": [1, 1], "data": [0]}], "parameters": {"sequence_id": "old"}}
    assert httpx.post(f"{addresses[0]}/v2/models/{NAME}/infer", json=body).headers["X-Model-Version"] == "1"


def test_the_server_and_the_configuration_tell_of_sequences(client: Client):
    config = client.server.get_model_config(NAME)

    assert {"sequence", "sequence(string_id)"} <= set(client.server.get_server_metadata()["extensions"])
    assert "dynamic_batching" not in config
    assert config["sequence_batching"]["max_sequence_idle_microseconds"] == 300_000_000
    assert config["sequence_batching"]["oldest"] == {"max_candidate_sequences": 1000, "max_queue_delay_microseconds": 0}
    assert [(state["input_name"], state["output_name"]) for state in config["sequence_batching"]["state"]] == [
        ("state_h", "z_state"),
        ("state_c", "a_state"),
    ]
    assert config["sequence_batching"]["state"][0]["initial_state"] == [
        {"name": "state_h of zeros", "data_type": "TYPE_FP32", "dims": [1, WIDTH], "zero_data": True}
    ]
    assert "sequence_batching" not in client.server.get_model_config("classes")


def test_another_replica_goes_on(client: Client, http: httpx.Client, models: Path):
    stepped = [client.step(token, "a/b c", start=number == 0) for number, token in enumerate(TOKENS[:4])]
    taken = http.get("/sequences/a%2Fb%20c")
    with serving(create_app(Settings(models=models))) as address, client_of(address) as other:
        put = httpx.put(f"{address}/v2/models/{NAME}/sequences/there", content=taken.content)
        stepped += [other.step(token, "there", index=number) for number, token in enumerate(TOKENS) if number >= 4]

    assert (taken.status_code, taken.headers["content-type"]) == (200, "application/octet-stream")
    assert put.json() == {"model_name": "words", "model_version": "2", "sequence_id": "there", "next_index": 4}
    np.testing.assert_allclose(stepped, alone(models, 2), atol=1e-6)


def test_a_sequence_is_ended_without_a_step(client: Client, http: httpx.Client):
    client.asked([0], "done", start=True)

    assert http.delete("/sequences/done").json() == {
        "model_name": "words",
        "model_version": "2",
        "sequence_id": "done",
        "next_index": 1,
    }
    assert http.delete("/sequences/done").json() == {"error": "sequence 'done' of 'words' has ended: begin it again with sequence_start"}
    assert http.get("/sequences/done").status_code == 404


def test_an_id_may_have_any_character_of_a_text(client: Client, http: httpx.Client):
    client.asked([0], "a\n/ b?", start=True)

    assert http.get("/sequences/a%0A%2F%20b%3F").status_code == 200
    assert http.delete("/sequences/a%0A%2F%20b%3F").json()["sequence_id"] == "a\n/ b?"


def test_what_cannot_be_put_back_is_refused(http: httpx.Client):
    answers = {
        what: http.put("/sequences/wrong", content=data) for what, data in (("nothing", b""), ("json", b"{}"), ("much", b"a" * 9_000_000))
    }

    assert {what: answer.status_code for what, answer in answers.items()} == {"nothing": 400, "json": 400, "much": 413}
    assert answers["nothing"].json()["error"].endswith("must say how long the JSON behind them is: send what GET gave")
    assert http.get("/sequences/" + "a" * 129).status_code == 400


def test_metrics_tell_of_sequences(client: Client, addresses: tuple[str, str]):
    client.asked([0], "measured", start=True)

    metrics = httpx.get(f"{addresses[0]}/metrics").text
    assert 'carousel_sequences{model="words",version="2"}' in metrics
    assert 'carousel_sequence_bytes{model="words",version="2"}' in metrics


def test_too_many_are_answered_429_with_when_to_come_back(models: Path):
    with serving(create_app(Settings(models=models, max_sequences=1))) as address, client_of(address) as client:
        client.asked([0], "one", start=True)
        status, message = refused(client, [0], "two", start=True)

    assert (status, message.partition(" bytes ")[2]) == ("429", "are kept, and no more may be: send this again after 30 s")


def test_workers_with_no_store_in_common_refuse_sequences(models: Path):
    app = create_app(Settings(models=models, workers=2))
    with serving(app) as address, client_of(address) as client:
        assert refused(client, [0], "one", start=True)[0] == "403"
        assert "sequence" not in client.server.get_server_metadata()["extensions"]
        assert "dynamic_batching" in client.server.get_model_config(NAME)


def test_a_sequence_outlives_a_reload_as_long_as_its_version_is_served(tmp_path: Path):
    artifacts.publish(tmp_path, NAME, lstm(seed=1))
    settings = Settings(models=tmp_path, repository_mode="explicit", version_policy="latest:2")
    with serving(create_app(settings)) as address, client_of(address) as client:
        stepped = [client.step(TOKENS[0], "long", start=True)]
        artifacts.publish(tmp_path, NAME, lstm(seed=2))
        client.server.load_model(NAME)
        stepped.append(client.step(TOKENS[1], "long", index=1))
        newer = client.asked([0], "newer", start=True).get_response()["model_version"]
        artifacts.publish(tmp_path, NAME, lstm(seed=3))
        client.server.load_model(NAME)
        gone = refused(client, [TOKENS[2]], "long", index=2)
        again = client.asked([0], "long", start=True).get_response()["model_version"]
        whole = alone(tmp_path, 1)

    np.testing.assert_allclose(stepped, whole[:2], atol=1e-6)
    assert (newer, again) == ("2", "3")
    assert gone == (
        "409",
        "sequence 'long' of 'words' began on version 1, which is not served here: begin it again with sequence_start, or ask a replica "
        "that has that",
    )

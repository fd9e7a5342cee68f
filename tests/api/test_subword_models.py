from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests import artifacts
from tests.api.conftest import serving
from tests.subword_model import next_subword


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root: Path = tmp_path_factory.mktemp("subwords")
    artifacts.publish(root, "pieces", next_subword())
    with serving(create_app(Settings(models=root))) as address, httpx.Client(base_url=address) as client:
        yield client


def words(client: httpx.Client, text: str) -> list[str]:
    answer = client.post("/v1/models/pieces/next-word", json={"text": text, "top_k": 30})
    assert answer.status_code == 200, answer.text
    return [suggestion["word"] for suggestion in answer.json()["suggestions"]]


def test_whole_words_are_suggested(client: httpx.Client):
    assert "cat" in words(client, "the ca")
    assert all(word.startswith("ca") for word in words(client, "the ca"))
    assert not any("▁" in word or word.startswith("<") for word in words(client, "the "))


def test_a_syllable_still_being_composed_finds_its_words(client: httpx.Client):
    assert "한국" in words(client, "the 하ㄴ")
    assert "하늘이" in words(client, "the 한")
    assert "각자" in words(client, "가")


def test_texts_are_instances_of_predict(client: httpx.Client):
    answer = client.post("/v1/models/pieces:predict", json={"instances": ["the ca", {"text": "the ", "top_k": 1}]}).json()

    assert [len(prediction["suggestions"]) for prediction in answer["predictions"]] == [5, 1]


def test_a_text_is_written_on_piece_by_piece(client: httpx.Client):
    answer = client.post("/v2/models/pieces/generate", json={"text_input": "the 한", "parameters": {"max_tokens": 3}}).json()

    assert answer["text_output"]
    assert "▁" not in answer["text_output"]


def test_the_largest_values_are_named_by_their_pieces(client: httpx.Client):
    zeros = {"datatype": "FP32", "shape": [1, 1, 2], "data": [0, 0]}
    tokens = {"name": "tokens", "datatype": "INT64", "shape": [1, 1], "data": [300]}
    outputs = [{"name": "log_probs", "parameters": {"classification": 1}}]
    body = {"inputs": [tokens, {"name": "state_h", **zeros}, {"name": "state_c", **zeros}], "outputs": outputs}

    answer = client.post("/v2/models/pieces/infer", json=body).json()

    value, index, name = answer["outputs"][0]["data"][0].split(":")
    assert (index, name) == ("301", next_subword().tokenizer.words[301])
    assert float(value) < 0

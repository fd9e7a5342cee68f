from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.contract.golden import parse_goldens
from service.contract.manifest import ArtifactError
from service.contract.repository import Artifact, Location
from service.contract.subwords import SubwordTokenizer
from service.errors import BadQuestion, DeadlineExceeded
from service.served_model import ServedModel, routes
from service.settings import Settings
from service.tasks.dialogue import Dialogue, QuestionError, Step
from service.tasks.generation import Sampling, write
from tests import artifacts
from tests.subword_model import next_subword


def load(root: Path, name: str, **settings: object) -> ServedModel:
    location = Location(name, 1, root / name / "1")
    return ServedModel.load(location, root=root, settings=Settings(models=root, **settings))


@pytest.fixture
def words(tiny_models: Path) -> Iterator[ServedModel]:
    model = load(tiny_models, "tiny-words")
    yield model
    model.close(20)


def endless() -> Dialogue[None]:
    while True:
        yield Step({"sequence": np.zeros((1, 1, 3), np.float32)})


def too_short() -> Dialogue[None]:
    yield from ()
    raise QuestionError("too short", where=("series", 0))


@pytest.mark.parametrize("name", ["tiny-forecast", "tiny-words", "tiny-classes"])
def test_golden_requests_get_their_answers_through_the_batcher(tiny_models: Path, name: str):
    model = load(tiny_models, name)
    for golden in parse_goldens(model.artifact.read("golden.json")):
        answer = asyncio.run(model.infer(golden.inputs))
        for output, expected in golden.outputs.items():
            np.testing.assert_allclose(answer[output], expected, atol=1e-6)
    model.close(20)


def test_a_dialogue_of_several_turns_gets_its_answer(words: ServedModel):
    assert words.language is not None
    dialogue = write(words.language, "the cat sat ", Sampling(max_tokens=2))

    answer = asyncio.run(words.ask(dialogue))

    assert answer[0].text == "cat dog"


def test_a_question_that_the_model_cannot_answer_says_where(words: ServedModel):
    with pytest.raises(BadQuestion) as refusal:
        asyncio.run(words.ask(too_short()))

    assert refusal.value.detail == "series.0: too short"
    assert refusal.value.errors == [{"where": ["series", 0], "message": "too short"}]


def test_the_timeout_holds_for_all_turns_together(tiny_models: Path):
    model = load(tiny_models, "tiny-classes")

    with pytest.raises(DeadlineExceeded):
        asyncio.run(model.ask(endless(), timeout_s=0.05))
    model.close(20)


def test_the_timeout_of_the_settings_holds_where_none_is_given(tiny_models: Path):
    model = load(tiny_models, "tiny-classes", timeout_s=0.05)

    with pytest.raises(DeadlineExceeded):
        asyncio.run(model.ask(endless()))
    model.close(20)


def test_the_card_says_what_a_client_should_know(words: ServedModel):
    card = words.card()

    assert (card["name"], card["version"], card["device"], card["backend"]) == ("tiny-words", 1, "cpu", "onnx")
    assert card["task"]["kind"] == "next-word"
    assert card["routes"] == ["/v1/models/tiny-words/next-word", "/v1/models/tiny-words:predict", "/v2/models/tiny-words/infer"]
    assert card["inputs"][1] == {"name": "state_h", "datatype": "FP32", "shape": [-1, 1, 2], "description": ""}
    assert card["network"] == {"cell": "lstm", "layers": 1, "hidden": 2}
    assert card["scores"]["baselines"] == {"last value": {"mae": 2.0}}
    assert sorted(card["files"]) == ["golden.json", "model.onnx", "tokenizer.json"]


def test_routes_follow_the_task():
    manifest = artifacts.manifest(artifacts.forecaster(), "load", 1)

    assert routes(manifest)[:2] == ["/v1/models/load/forecast", "/v1/models/load/anomalies"]


def test_a_graph_that_does_not_compute_what_was_trained_is_refused(tmp_path: Path):
    spoilt = artifacts.classifier()
    spoilt.questions[0] = {"sequence": np.array([[[1, 0, 0]]], np.float32)}
    other = artifacts.classifier()
    other.nodes[0] = ("ReduceMax", ["sequence"], ["sums"], {"axes": [1], "keepdims": 0})
    other.questions[0] = {"sequence": np.ones((1, 2, 3), np.float32) * np.array([1, 2, 3], np.float32)}
    artifacts.publish(tmp_path, "tiny", other, alter=lambda folder: (folder / "model.onnx").write_bytes(spoilt.onnx()))

    with pytest.raises(
        ArtifactError, match=r"model\.onnx answers its golden requests with a difference of .* over 0\.0001: train or export"
    ):
        load(tmp_path, "tiny")


def test_a_graph_that_fails_on_its_golden_requests_is_refused(tmp_path: Path):
    def other_names(folder: Path) -> None:
        path = folder / "golden.json"
        path.write_text(path.read_text().replace('"sequence"', '"x"'))

    artifacts.publish(tmp_path, "tiny", artifacts.classifier(), alter=other_names)

    with pytest.raises(ArtifactError, match=r"model\.onnx cannot answer its golden requests"):
        load(tmp_path, "tiny")


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path):
    smaller = artifacts.WordTokenizer.train(["the cat"], vocabulary=4)
    artifacts.publish(
        tmp_path, "tiny", artifacts.next_word(), alter=lambda folder: (folder / "tokenizer.json").write_text(smaller.to_json())
    )

    with pytest.raises(
        ArtifactError, match=r"tokenizer\.json has vocabulary, end and unknown ids \(4, 0, 1\); the manifest says \(10, 0, 1\)"
    ):
        load(tmp_path, "tiny")


def test_a_model_of_subwords_is_loaded_with_its_pieces(tmp_path: Path):
    artifacts.publish(tmp_path, "tiny", next_subword())

    model = load(tmp_path, "tiny")

    assert isinstance(model.tokenizer, SubwordTokenizer)
    assert model.language is not None
    assert model.language.tokenizer is model.tokenizer
    model.close(20)


def test_words_in_the_place_of_subwords_are_refused(tmp_path: Path):
    words = artifacts.WordTokenizer.train(["the cat"], vocabulary=4)
    artifacts.publish(tmp_path, "tiny", next_subword(), alter=lambda folder: (folder / "tokenizer.json").write_text(words.to_json()))

    with pytest.raises(ArtifactError, match=r"tokenizer\.json does not split text into lower-case subwords"):
        load(tmp_path, "tiny")


def test_a_next_word_model_without_tokenizer_is_refused(tmp_path: Path):
    artifacts.publish(tmp_path, "tiny", artifacts.next_word(), alter=lambda folder: (folder / "tokenizer.json").unlink())

    with pytest.raises(ArtifactError, match=r"tiny version 1 has no tokenizer\.json"):
        load(tmp_path, "tiny")


def test_the_artifact_is_the_one_on_disk(words: ServedModel, tiny_models: Path):
    assert isinstance(words.artifact, Artifact)
    assert words.artifact.folder == tiny_models / "tiny-words" / "1"

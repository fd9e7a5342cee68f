from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import ModelNotFound, VersionNotFound
from service.offline import open_model
from service.offline.lines import answers, is_error
from service.served_model import ServedModel
from service.settings import Settings
from tests.fakes import FakeBackend


@pytest.fixture
def classes(tiny_models: Path) -> Iterator[ServedModel]:
    model = open_model(Settings(models=tiny_models), "tiny-classes")
    yield model
    model.close(20)


def score(model: ServedModel, *lines: str) -> list[dict[str, object]]:
    return [json.loads(answer) for answer in answers(model, [line.encode() + b"\n" for line in lines])]


def test_every_line_gets_its_answer_in_order(classes: ServedModel):
    found = score(classes, *(f"[[{int(number % 3 == 0)}, {int(number % 3 == 1)}, {int(number % 3 == 2)}]]" for number in range(100)))

    assert [answer["label"] for answer in found] == (["zero", "one", "two"] * 34)[:100]


def test_blank_lines_are_passed_over(classes: ServedModel):
    assert [answer["label"] for answer in score(classes, "", "[[0, 1, 0]]", "  ")] == ["one"]


def test_a_line_that_is_wrong_costs_only_itself(classes: ServedModel):
    first, second, third, fourth = score(classes, "[[0, 1, 0]]", "{oops", "[[1, 2]]", "[[1, 0, 0]]")

    assert (first["label"], fourth["label"]) == ("one", "zero")
    assert second["line"] == 2
    assert str(second["error"]).startswith("not JSON: ")
    assert third["line"] == 3
    assert "2 numbers in a row: this model takes 3" in str(third["error"])


def test_lines_that_got_no_answer_are_told_apart(classes: ServedModel):
    good, bad = answers(classes, [b"[[0, 1, 0]]", b"nan"])

    assert not is_error(good)
    assert is_error(bad)


def test_a_graph_that_fails_costs_only_the_lines_it_fails_on(classes: ServedModel, caplog: pytest.LogCaptureFixture):
    [answer] = score(replace(classes, backend=FakeBackend()), "[[0, 1, 0]]")

    assert answer == {"error": "'tiny-classes' failed on this request; the service's log says why", "line": 1}
    assert "KeyError" in caplog.text


def test_forecasts_and_next_words_are_asked_as_over_http(tiny_models: Path):
    load = open_model(Settings(models=tiny_models), "tiny-forecast@1")
    [forecast] = score(load, '{"id": "a", "values": [1, 2, null, 4]}')
    load.close(20)
    words = open_model(Settings(models=tiny_models), "tiny-words")
    plain, chosen = score(words, '"the cat "', '{"text": "the cat ", "top_k": 1}')
    words.close(20)

    assert forecast["id"] == "a"
    assert forecast["point"] == [4, 4, 4]
    assert plain["suggestions"][0]["word"] == "dog"
    assert len(chosen["suggestions"]) == 1


@pytest.mark.parametrize(("wanted", "version"), [("tiny-classes", 2), ("tiny-classes@1", 1), ("tiny-classes@2", 2)])
def test_the_newest_version_is_taken_unless_one_is_named(tiny_models: Path, wanted: str, version: int):
    model = open_model(Settings(models=tiny_models), wanted)
    model.close(20)

    assert model.manifest.version == version


def test_an_unknown_model_or_version_is_refused_with_those_that_are_known(tiny_models: Path):
    with pytest.raises(ModelNotFound, match="no model 'none'; served here: tiny-classes, tiny-forecast, tiny-words"):
        open_model(Settings(models=tiny_models), "none")
    with pytest.raises(VersionNotFound, match="no version first of 'tiny-classes'; served here: 1, 2"):
        open_model(Settings(models=tiny_models), "tiny-classes@first")

"""Typing over HTTP: whatever is typed, deleted or pasted, the service answers as if it had read the whole text each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.contract.manifest import Pointer
from service.settings import Settings
from tests import artifacts, recurrent
from tests.api.conftest import serving

TYPED = (
    "the ca",
    "the cat",
    "the cat ",
    "the cat sat on the mat . the d",
    "the cat sat on ",
    "the cat (",
    "",
    "the cat sat on the mat .\n",
    "the cat sat on the mat . the dog ",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("typed-models")
    artifacts.publish(root, "plain", recurrent.next_word())
    artifacts.publish(root, "pointing", recurrent.next_word(pointer=Pointer(window=8, sharpness=2.0, share=0.3)))
    return root


@pytest.fixture(scope="module")
def remembering(root: Path) -> Iterator[httpx.Client]:
    with serving(create_app(Settings(models=root))) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture(scope="module")
def forgetful(root: Path) -> Iterator[httpx.Client]:
    with serving(create_app(Settings(models=root, state_cache_mb=0))) as address, httpx.Client(base_url=address) as client:
        yield client


def answer(client: httpx.Client, model: str, text: str, **fields: object) -> dict[str, float]:
    found = client.post(f"/v1/models/{model}/next-word", json={"text": text, "top_k": 8, **fields})
    assert found.status_code == 200
    return {one["word"]: one["probability"] for one in found.json()["suggestions"]}


@pytest.mark.parametrize("fields", [{}, {"pointer": False}])
@pytest.mark.parametrize("model", ["plain", "pointing"])
def test_answers_are_the_same_with_a_memory_and_without(
    remembering: httpx.Client, forgetful: httpx.Client, model: str, fields: dict[str, object]
):
    for text in TYPED * 2:
        assert answer(remembering, model, text, **fields) == pytest.approx(answer(forgetful, model, text, **fields), abs=1e-6)


def test_a_pointer_changes_what_follows_a_text_that_repeats_itself(remembering: httpx.Client):
    text = "the cat sat on the mat . the cat "

    assert answer(remembering, "pointing", text) != pytest.approx(answer(remembering, "pointing", text, pointer=False), abs=1e-3)


def test_a_key_inside_a_word_runs_no_graph(remembering: httpx.Client):
    def runs() -> int:
        [found] = remembering.get("/v2/models/plain/stats").json()["model_stats"]
        count: int = found["execution_count"]
        return count

    answer(remembering, "plain", "on the log ")
    before = runs()
    answer(remembering, "plain", "on the log s")
    answer(remembering, "plain", "on the log sa")
    assert runs() == before
    answer(remembering, "plain", "on the log sat ")
    assert runs() == before + 1

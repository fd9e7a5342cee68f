"""English contractions typed with either apostrophe, asked of the bundled model, which has learned the printed one alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import Settings

from .conftest import serving

BUNDLED = Path(__file__).resolve().parents[2] / "models"
MODEL = "/v1/models/next-word-en"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root = tmp_path_factory.mktemp("bundled")
    shutil.copytree(BUNDLED / "next-word-en", root / "next-word-en")
    settings = Settings(models=root, personal_words=tmp_path_factory.mktemp("personal") / "words.sqlite")
    with serving(create_app(settings)) as address, httpx.Client(base_url=address) as client:
        yield client


def ask(client: httpx.Client, text: str, route: str = f"{MODEL}/next-word", **fields: Any) -> Any:
    answer = client.post(route, json={"text": text, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def words(client: httpx.Client, text: str, **fields: Any) -> list[str]:
    return [one["word"] for one in ask(client, text, **fields)["suggestions"]]


@pytest.mark.parametrize("apostrophe", ["'", "’"])
def test_contractions_are_completed_with_the_apostrophe_that_was_typed(service: httpx.Client, apostrophe: str):
    assert words(service, f"I don{apostrophe}") == [f"don{apostrophe}t"]
    assert words(service, f"I can{apostrophe}t") == [f"can{apostrophe}t"]
    assert words(service, f"Natásha said I{apostrophe}l") == [f"I{apostrophe}ll"]
    assert words(service, f"near PIERRE{apostrophe}") == [f"PIERRE{apostrophe}S"]


def test_a_text_is_read_alike_with_either_apostrophe(service: httpx.Client):
    assert ask(service, "I don't ") == ask(service, "I don’t ")
    assert ask(service, "I don't ") != ask(service, "I zzyzx ")


def test_a_denied_word_is_hidden_with_either_apostrophe(service: httpx.Client):
    assert words(service, "I don'", deny=["don't"]) == words(service, "I don’", deny=["don't"]) == []
    assert words(service, "I don'", deny=["don’t"], allow=["don't"]) == ["don't"]


def test_generated_text_goes_on_behind_either_apostrophe(service: httpx.Client):
    typed, printed = (ask(service, f"I don{one}", words=3, top_k=1)["continuations"][0]["text"] for one in "'’")

    assert typed == printed.replace("’", "'")
    assert typed.startswith("don't ")


def test_what_a_user_writes_with_the_other_apostrophe_is_one_suggestion(service: httpx.Client):
    service.post(f"{MODEL}/users/ann/words", json={"text": "I don't. I don't. I don't."}).raise_for_status()

    assert words(service, "I don", user="ann")[0] == "don't"
    assert "don’t" not in words(service, "I don", user="ann")
    assert words(service, "I don’", user="ann") == ["don’t"]
    assert words(service, "I don")[0] == "don’t"

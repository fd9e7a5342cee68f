"""Suppression, casing, base forms and several models over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.api import suggesting
from service.app import create_app
from service.settings import Settings

from .conftest import serving
from .typists import publish_both

ROUTE = "/v1/models/next-word-en/next-word"


@pytest.fixture(scope="module")
def typing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that hides `log`."""
    root = tmp_path_factory.mktemp("typing")
    publish_both(root)
    deny = tmp_path_factory.mktemp("lists") / "deny.txt"
    deny.write_text("Log\n")
    with serving(create_app(Settings(models=root, deny_words=deny))) as address, httpx.Client(base_url=address) as client:
        yield client


def suggestions(client: httpx.Client, text: str, route: str = ROUTE, **fields: Any) -> list[dict[str, Any]]:
    answer = client.post(route, json={"text": text, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["suggestions"]


def words(client: httpx.Client, text: str, route: str = ROUTE, **fields: Any) -> list[str]:
    return [one["word"] for one in suggestions(client, text, route, **fields)]


def test_words_of_the_services_list_are_not_suggested_unless_the_request_allows_them(typing: httpx.Client):
    assert words(typing, "the dog ", top_k=1) != ["log"]
    assert words(typing, "the lo") == []
    assert words(typing, "the lo", allow=["LOG"]) == ["log"]


def test_words_that_a_request_denies_are_not_suggested(typing: httpx.Client):
    assert words(typing, "the Cat ", top_k=1) == ["dog"]
    assert words(typing, "the Cat ", top_k=1, deny=["Dog"]) != ["dog"]
    assert words(typing, "the Cat ", top_k=1, deny=[" dog\n"]) != ["dog"]
    assert words(typing, "the Cat ", top_k=1, deny=["dog"], allow=["dog"]) == ["dog"]


def test_what_is_denied_is_read_all_the_same(typing: httpx.Client):
    assert words(typing, "the cat sat on the log ", top_k=1) == ["mat"]


def test_lists_hold_for_predict_and_for_every_route_of_suggestions(typing: httpx.Client):
    answer = typing.post("/v1/models/next-word-en:predict", json={"instances": ["the lo", {"text": "the d", "deny": ["dog"]}]}).json()

    assert [one["suggestions"] for one in answer["predictions"]] == [[], []]


def test_lists_hold_for_several_words(typing: httpx.Client):
    def continuation(**fields: Any) -> str:
        answer = typing.post(ROUTE, json={"text": "the cat sat on ", "words": 4, "top_k": 1, **fields})
        return answer.json()["continuations"][0]["text"]

    assert continuation() == "sat Cat dog the"
    assert continuation(allow=["log"]) == "sat Cat dog log"
    assert continuation(allow=["log"], deny=["Cat"]) == "sat the. On"


def test_lists_do_not_hold_for_text_that_programs_ask_for(typing: httpx.Client):
    asked = {"text_input": "the cat sat on ", "parameters": {"max_tokens": 4}}

    assert typing.post("/v2/models/next-word-en/generate", json=asked).json()["text_output"] == "sat Cat dog log"


def test_a_model_with_forms_writes_words_as_they_mostly_are(typing: httpx.Client):
    assert words(typing, "on the ca") == ["Cat"]
    assert words(typing, "on the CA") == ["CAT"]
    assert words(typing, "on the sat ", top_k=1) == ["Cat"]
    assert words(typing, "on. Do") == ["Dog"]
    assert words(typing, "on. do") == ["dog"]


def test_a_model_without_forms_answers_in_lower_case(typing: httpx.Client):
    assert words(typing, "CA", "/v1/models/next-word-ko/next-word") == ["cat"]


def test_several_models_answer_by_weight_and_each_word_names_its_own(typing: httpx.Client):
    found = suggestions(typing, "the cat ", top_k=20, models=[{"name": "next-word-ko", "weight": 0.3}])

    sources = {one["word"]: one["source"] for one in found}
    assert sources["dog"] == "next-word-en"
    assert sources["하늘"] == "next-word-ko"
    assert found[0]["word"] == "dog"
    assert found == sorted(found, key=lambda one: -one["probability"])
    heavier = suggestions(typing, "the cat ", models=[{"name": "next-word-ko", "weight": 0.9}])
    assert heavier[0]["source"] == "next-word-ko"


def test_the_script_of_what_is_typed_leaves_the_word_to_the_model_that_knows_it(typing: httpx.Client):
    found = suggestions(typing, "the 하느", models=[{"name": "next-word-ko", "weight": 0.1}])

    assert [(one["word"], one["source"]) for one in found] == [("하늘", "next-word-ko")]
    assert sum(one["probability"] for one in found) == pytest.approx(1)


def test_lists_and_forms_hold_for_several_models(typing: httpx.Client):
    both = [{"name": "next-word-ko", "weight": 0.5}]

    assert words(typing, "the sat ca", models=both) == ["Cat"]
    assert words(typing, "the lo", models=both) == []
    assert "하늘" not in words(typing, "the 하느", models=both, deny=["하늘"])


def test_as_many_words_of_several_models_are_suggested_as_are_wanted_however_many_are_denied(
    typing: httpx.Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(suggesting, "CANDIDATES", 2)
    both = [{"name": "next-word-ko", "weight": 0.5}]
    likeliest = words(typing, "the cat ", top_k=6, models=both)

    assert len(words(typing, "the cat ", top_k=2, models=both, deny=likeliest)) == 2


def test_a_plain_answer_names_no_sources(typing: httpx.Client):
    assert set(suggestions(typing, "the cat ")[0]) == {"word", "probability"}


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"learn": True}, 422, "learn: whose word is it? set user, or leave this out"),
        ({"user": "ann"}, 403, "no words of users are kept here: start the service with --personal-words FILE, or leave `user` out"),
        ({"user": ""}, 422, "user: String should have at least 1 character"),
        ({"user": "a" * 201}, 422, "user: String should have at most 200 characters"),
        ({"models": [{"name": "none", "weight": 0.5}]}, 404, "no model 'none'; served here: next-word-en, next-word-ko, tiny-classes"),
        ({"models": [{"name": "tiny-classes", "weight": 0.5}]}, 409, "'tiny-classes' is a classify model: ask POST"),
        ({"models": [{"name": "next-word-en", "weight": 0.5}]}, 422, "models: a model is named twice: give it one weight"),
        ({"models": [{"name": "next-word-ko", "weight": 1}]}, 422, "models.0.weight: this should be less than 1"),
        ({"models": [{"name": "next-word-ko", "weight": 0}]}, 422, "models.0.weight: this should be greater than 0"),
        ({"models": [{"name": "next-word-ko", "weight": -0.5}]}, 422, "models.0.weight: this should be greater than 0"),
        ({"models": [{"name": "next-word-ko", "weight": 0.5}], "temperature": 1.0}, 422, "temperature: what is blended is not drawn"),
        ({"models": [{"name": "next-word-ko", "weight": 0.5}], "beams": 4}, 422, "beams: this is for continuations: set words over 1"),
        ({"words": 3, "user": "ann"}, 422, "user: this is for suggestions of one word"),
        ({"words": 3, "stream": True, "base_first": False}, 422, "base_first: this is for suggestions of one word"),
        ({"deny": ["a"] * 1001}, 422, "deny: List should have at most 1000 items"),
        ({"deny": ["a", "old prince"]}, 422, "deny.1: this should be one word: no more is suggested at once, send each by itself"),
        ({"allow": [" "]}, 422, "allow.0: this should be one word"),
        ({"user": "\ufffd"}, 422, "user: this has U+FFFD, which stands for whatever is no UTF-8: encode the id in UTF-8"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(typing: httpx.Client, fields: dict[str, Any], status: int, message: str):
    answer = typing.post(ROUTE, json={"text": "the ", **fields})

    assert (answer.status_code, answer.json()["detail"][: len(message)]) == (status, message)


def test_weights_of_one_and_more_are_refused(typing: httpx.Client):
    others = [{"name": "next-word-ko", "weight": 0.6}, {"name": "tiny-classes", "weight": 0.6}]

    answer = typing.post(ROUTE, json={"text": "the ", "models": others})

    assert answer.json()["detail"] == "models: the weights add up to 1 or more: leave some for the model of the path"


def test_one_dialogue_cannot_know_a_user(typing: httpx.Client):
    answer = typing.post("/v1/models/next-word-en:predict", json={"instances": [{"text": "the ", "user": "ann"}]})

    assert answer.status_code == 422
    assert "this is answered by the model's own route alone" in answer.json()["detail"]

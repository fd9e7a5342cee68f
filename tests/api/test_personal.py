"""Words of users over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from service.app import create_app
from service.settings import Settings

from .conftest import serving
from .typists import publish_both

ROUTE = "/v1/models/next-word-en/next-word"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    publish_both(root)
    return root


@pytest.fixture(scope="module")
def served(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    file = tmp_path_factory.mktemp("personal") / "words.sqlite"
    with serving(create_app(Settings(models=root, personal_words=file))) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture
def service(served: httpx.Client) -> httpx.Client:
    """A service that knows nothing of the users of these tests."""
    for user in ("ann", "bob", "another"):
        served.delete(path(user), params={"all": "true"})
    return served


def path(user: str, model: str = "next-word-en") -> str:
    return f"/v1/models/{model}/users/{quote(user, safe='')}/words"


def learn(client: httpx.Client, user: str, text: str) -> dict[str, Any]:
    answer = client.post(path(user), json={"text": text})
    assert answer.status_code == 200, answer.text
    return answer.json()


def suggestions(client: httpx.Client, text: str, **fields: Any) -> list[tuple[str, str]]:
    answer = client.post(ROUTE, json={"text": text, **fields})
    assert answer.status_code == 200, answer.text
    return [(one["word"], one["source"]) for one in answer.json()["suggestions"]]


def listed(client: httpx.Client, user: str) -> dict[str, int]:
    return {one["word"]: one["count"] for one in client.get(path(user)).json()["words"]}


def test_what_a_user_wrote_is_suggested_to_this_user_alone(service: httpx.Client):
    for _ in range(2):
        assert learn(service, "ann", "The cat hates Zebulon. Mail ann@example.com") == {"words": 5, "passed_over": 1}

    assert suggestions(service, "the cat ", user="ann")[:2] == [("hates", "personal"), ("dog", "next-word-en")]
    assert suggestions(service, "see Zeb", user="ann") == [("Zebulon", "personal")]
    assert suggestions(service, "see Zeb", user="bob") == []
    assert suggestions(service, "the cat ", user="bob")[0] == ("dog", "next-word-en")


def test_lists_hold_for_words_of_users(service: httpx.Client):
    learn(service, "ann", "the cat hates Zebulon")

    assert suggestions(service, "see Zeb", user="ann", deny=["zebulon"]) == []


def test_typing_teaches_each_word_once(service: httpx.Client):
    for end in range(1, len("see Zebulon ") + 1):
        suggestions(service, "see Zebulon "[:end], user="ann", learn=True)
        suggestions(service, "see Zebulon "[:end], user="ann")

    assert listed(service, "ann") == {"see": 1, "Zebulon": 1}


def test_nothing_is_learned_unless_it_is_asked_for(service: httpx.Client):
    suggestions(service, "see Zebulon ", user="ann")

    assert listed(service, "ann") == {}


def test_words_are_listed_in_pages(service: httpx.Client):
    learn(service, "ann", "one two three")

    first = service.get(path("ann"), params={"limit": 2}).json()
    second = service.get(path("ann"), params={"limit": 2, "after": first["next"]}).json()

    assert first == {"words": [{"word": "one", "count": 1}, {"word": "three", "count": 1}], "next": "three"}
    assert second == {"words": [{"word": "two", "count": 1}], "next": None}


def test_one_word_is_forgotten_or_the_user(service: httpx.Client):
    learn(service, "ann", "one two three")

    assert service.delete(path("ann"), params={"word": "Two"}).json() == {"words": 1}
    assert listed(service, "ann") == {"one": 1, "three": 1}
    assert service.delete(path("ann"), params={"all": "true"}).json() == {"words": 2}
    assert listed(service, "ann") == {}


@pytest.mark.parametrize("query", [{}, {"word": "two", "all": "true"}, {"all": "false"}])
def test_forgetting_must_say_what(service: httpx.Client, query: dict[str, str]):
    learn(service, "ann", "one two")

    answer = service.delete(path("ann"), params=query)

    assert answer.status_code == 422
    assert answer.json()["detail"] == "word: name the word to forget, or send all=true to forget the user, and not both"
    assert listed(service, "ann") == {"one": 1, "two": 1}


def test_an_export_is_restored_for_another_user(service: httpx.Client):
    learn(service, "ann", "dear Bob")

    export = service.get(path("ann") + "/export")
    assert export.headers["content-type"] == "application/x-ndjson"
    assert export.text == '{"word":"Bob","count":1}\n{"word":"dear","count":1}\n{"before":["dear"],"word":"Bob","count":1}\n'

    assert service.put(path("bob"), content=export.content).json() == {"words": 2, "passed_over": 0}
    assert service.get(path("bob") + "/export").text == export.text


def test_a_broken_export_is_refused_with_its_line(service: httpx.Client):
    answer = service.put(path("ann"), content=b'{"word":"Bob","count":1}\n{"word":1}\n')

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("line 2: word: ")
    assert listed(service, "ann") == {}


def test_an_export_of_nothing_is_no_export(service: httpx.Client):
    assert service.get(path("ann") + "/export").text == ""
    assert service.put(path("ann"), content=b"\n").json()["detail"] == "the body is empty: send the lines of an export"


def test_other_methods_are_told_those_that_there_are(service: httpx.Client):
    assert service.patch(path("ann")).headers["allow"] == "DELETE, GET, POST, PUT"


@pytest.mark.parametrize("user", ["a/b", "a/words", "words", "a b", "a\nb\n", "안나", "' OR 1=1 --", "x" * 200, "100%"])
def test_a_user_is_any_text(service: httpx.Client, user: str):
    learn(service, user, "zebra")
    learn(service, "another", "lion")

    assert listed(service, user) == {"zebra": 1}
    assert suggestions(service, "see ze", user=user) == [("zebra", "personal")]
    assert service.get(path(user) + "/export").text == '{"word":"zebra","count":1}\n'
    assert service.delete(path(user), params={"all": "true"}).json() == {"words": 1}
    assert listed(service, "another") == {"lion": 1}


def test_users_whose_ids_are_no_utf_8_are_not_taken_for_one(service: httpx.Client):
    answer = service.post("/v1/models/next-word-en/users/%FF/words", json={"text": "zebra"})

    assert answer.status_code == 422
    assert answer.json()["detail"] == "path.user: this has U+FFFD, which stands for whatever is no UTF-8: encode the id in UTF-8"


def test_a_user_whose_id_is_too_long_is_refused(service: httpx.Client):
    assert service.get(path("x" * 201)).status_code == 422


def test_a_text_that_is_too_long_or_no_text_is_refused(service: httpx.Client):
    assert service.post(path("ann"), json={"text": "a" * 50_001}).status_code == 422
    assert service.post(path("ann"), json={"txt": "a"}).json()["detail"] == "text: this field is required (and 1 more)"
    assert service.post(path("ann"), content=b"{").status_code == 400


def test_words_belong_to_next_word_models(service: httpx.Client):
    assert service.get(path("ann", "tiny-classes")).status_code == 409
    assert service.get(path("ann", "none")).status_code == 404


def test_where_no_file_is_named_the_error_names_the_setting(root: Path):
    with serving(create_app(Settings(models=root))) as address:
        answer = httpx.get(address + path("ann"))

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:carousel:personal-words-off"
    assert "--personal-words" in answer.json()["detail"]


def test_a_damaged_file_leaves_suggestions_and_says_so(root: Path, tmp_path: Path):
    file = tmp_path / "words.sqlite"
    file.write_bytes(b"no database " * 1000)
    with serving(create_app(Settings(models=root, personal_words=file))) as address, httpx.Client(base_url=address) as service:
        answer = service.post(ROUTE, json={"text": "the cat ", "user": "ann", "learn": True}).json()
        refused = service.post(path("ann"), json={"text": "zebra"})

    assert answer["suggestions"][0]["word"] == "dog"
    assert answer["warnings"] == [
        "personal words are not available: words.sqlite: file is not a database: "
        "it is no database: move it away, or start the service with another --personal-words"
    ]

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"] == "urn:carousel:personal-words-unavailable"


def test_a_caller_who_hangs_up_amid_a_body_leaves_no_traceback(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    app = create_app(Settings(models=root, personal_words=tmp_path / "words.sqlite"))
    app.context.registry.load_all()
    scope = {
        "type": "http",
        "method": "PUT",
        "path": path("ann"),
        "headers": [],
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
    }
    messages = iter([{"type": "http.request", "body": b'{"word":', "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(_message: object) -> None:
        pass

    asyncio.run(app(scope, receive, send))
    app.context.registry.close()

    assert [record for record in caplog.records if record.levelname == "ERROR"] == []

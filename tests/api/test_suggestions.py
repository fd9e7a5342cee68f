"""Search suggestions, and the description by which browsers find them."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from service.app import create_app
from service.settings import Settings
from service.tasks.dialogue import converse
from service.tasks.hidden import Hidden
from service.tasks.language import Language
from service.tasks.queries import queries
from tests import artifacts

from .conftest import serving
from .gated import gated

SUGGESTIONS = "/v1/models/next-word-en/suggestions"
OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"
TINY = artifacts.next_word()


def found(query: str, *, limit: int = 8, words: int = 1, hidden: Hidden | None = None) -> list[str]:
    assert TINY.tokenizer is not None
    language = Language(artifacts.manifest(TINY, "tiny", 1), TINY.tokenizer, hidden=hidden or Hidden())
    return converse(queries(language, query, limit=limit, words=words), TINY.run)


def test_an_answer_is_the_query_and_what_it_may_become(client: httpx.Client):
    answer = client.get(SUGGESTIONS, params={"q": "The ca"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-suggestions+json"
    assert answer.headers["x-model-version"] == "1"
    typed, completions = answer.json()  # the first two values of the extension, which are those that it requires
    assert typed == "The ca"
    assert completions[0] == "The cat"
    assert all(isinstance(one, str) and one.startswith("The cat") for one in completions)
    assert len(set(completions)) == len(completions)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("The ca", ["The cat"]),
        ("the dog ", ["the dog log"]),
        ("the  dog", ["the  dog"]),
        ("dog,", ["dog, the"]),
        ("what (", ["what (the"]),
        ("zzz", []),
    ],
)
def test_the_last_word_is_completed_or_another_follows(query: str, expected: list[str]):
    assert found(query, limit=1)[:1] == expected


def test_some_are_of_a_few_words():
    shown = found("the cat ", words=3)

    assert shown[0] == "the cat dog"
    assert "the cat dog log mat" in shown
    assert len(shown) == 8


def test_marks_are_no_suggestions():
    assert all("." not in one for one in found("the ", limit=20, words=3))


def test_words_that_are_hidden_are_in_none():
    shown = found("the cat ", limit=20, words=3, hidden=Hidden(service=frozenset({"dog"})))

    assert shown
    assert all("dog" not in one for one in shown)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (SUGGESTIONS, 422, "query.q: Field required"),
        (f"{SUGGESTIONS}?q=a&limit=0", 422, "query.limit: this should be greater than or equal to 1"),
        (f"{SUGGESTIONS}?q=a&words=6", 422, "query.words: this should be less than or equal to 5"),
        (f"{SUGGESTIONS}?q={'a' * 2001}", 422, "query.q: String should have at most 2000 characters"),
        ("/v1/models/nobody/suggestions?q=a", 404, "no model 'nobody'"),
        ("/v1/models/digit-rows/suggestions?q=a", 409, "'digit-rows' is a classify model: ask POST /v1/models/digit-rows/classify"),
        ("/v1/models/next-word-en/opensearch.xml?search=ftp://a/{searchTerms}", 422, "query.search: String should match pattern"),
        ("/v1/models/next-word-en/opensearch.xml?search=http://a/", 422, "query.search: String should match pattern"),
    ],
)
def test_what_cannot_be_suggested_is_a_problem(client: httpx.Client, path: str, status: int, words: str):
    answer = client.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_a_description_leads_a_browser_to_the_suggestions(client: httpx.Client):
    search = 'https://example.org/?q={searchTerms}&x="1"'
    answer = client.get("/v1/models/next-word-en/opensearch.xml", params={"search": search})
    document = ET.fromstring(answer.text)  # noqa: S314 - the service's own
    addresses = {url.get("type"): url.get("template", "") for url in document.findall(f"{OPENSEARCH}Url")}

    assert answer.headers["content-type"] == "application/opensearchdescription+xml"
    assert document.tag == f"{OPENSEARCH}OpenSearchDescription"
    assert document.findtext(f"{OPENSEARCH}ShortName") == "next-word-en"
    assert addresses["text/html"] == search
    typed = addresses["application/x-suggestions+json"].replace("{searchTerms}", "the%20ca")
    assert client.get(typed).json()[0] == "the ca"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root: Path = tmp_path_factory.mktemp("labelled")
    artifacts.publish(root, "a-model-with-a-long-name", TINY)
    (root / "a-model-with-a-long-name" / "labels.json").write_text('{"live": 1}')
    with serving(create_app(Settings(models=root))) as address, httpx.Client(base_url=address) as client:
        yield client


def test_a_label_and_a_long_name_do_no_harm(labelled: httpx.Client):
    path = "/v1/models/a-model-with-a-long-name@live/opensearch.xml"
    document = ET.fromstring(labelled.get(path, params={"search": "https://a/{searchTerms}"}).text)  # noqa: S314 - the service's own
    [typed] = [url.get("template", "") for url in document.findall(f"{OPENSEARCH}Url") if url.get("type") != "text/html"]

    assert document.findtext(f"{OPENSEARCH}ShortName") == "a-model-with-a-l"
    assert labelled.get(typed.replace("{searchTerms}", "the")).status_code == 200


def test_a_browser_that_hangs_up_stops_the_model(model_folder: Path):
    async def leave() -> list[int]:
        async with gated(model_folder, "next-word-en") as service:
            gone = asyncio.Event()

            async def receive() -> Message:
                await gone.wait()
                return {"type": "http.disconnect"}

            async def send(_message: Message) -> None:
                """Nobody reads it."""

            scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET", "path": SUGGESTIONS}
            asking = asyncio.create_task(service.app({**scope, "headers": [], "query_string": b"q=the+", "root_path": ""}, receive, send))
            await service.busy()
            gone.set()
            await asking
            service.backend.gate.set()
        return service.backend.runs

    assert asyncio.run(leave()) == [1]

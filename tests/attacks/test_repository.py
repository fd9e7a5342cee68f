"""Names that would lead out of the model folder: nothing is read or loaded there, and what is served stays."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.api.bundled import publish_all
from tests.api.conftest import serving


@pytest.fixture(scope="module")
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that loads models over HTTP; a model that would load lies beside its folder."""
    root = tmp_path_factory.mktemp("around") / "models"
    publish_all(root)
    shutil.copytree(root / "digit-rows", root.parent / "outside")
    (root / "linked").symlink_to(root.parent / "outside")
    with serving(create_app(Settings(models=root, repository_mode="explicit"))) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.mark.parametrize("change", ["load", "unload"])
@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "..%2foutside",
        "%2e%2e%2foutside",
        "..%5coutside",
        "outside%00",
        "%2fetc",
        "~",
        "digit-rows%2f..%2f..%2foutside",
        "a" * 3000,
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_no_model(open_client: httpx.Client, change: str, name: str):
    answer = open_client.post(f"/v2/repository/models/{name}/{change}")

    assert answer.status_code in (400, 404)
    assert served(open_client) == ["digit-rows", "energy-load", "next-word-en", "share-price"]


def test_a_folder_that_is_a_link_is_not_loaded(open_client: httpx.Client):
    assert open_client.post("/v2/repository/models/linked/load").status_code in (404, 409)
    assert "linked" not in served(open_client)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"parameters": {"file:1/model.onnx": "AAAA"}}', b'{"path": "/etc"}'])
def test_a_body_that_brings_a_model_is_refused(open_client: httpx.Client, body: bytes):
    assert open_client.post("/v2/repository/models/digit-rows/load", content=body).status_code == 400


def served(client: httpx.Client) -> list[str]:
    """Names of the models that answer."""
    return [card["name"] for card in client.get("/v1/models").json()["models"]]


def test_the_folder_is_not_part_of_any_answer(open_client: httpx.Client, tmp_path_factory: pytest.TempPathFactory):
    base: Path = tmp_path_factory.getbasetemp()
    answers = [open_client.post("/v2/repository/index").text, open_client.post("/v2/repository/models/none/load").text]

    assert all(str(base) not in answer for answer in answers)


def test_two_loads_and_an_unload_at_once_under_load_break_nobody(open_client: httpx.Client):
    address = str(open_client.base_url)
    statuses: set[tuple[str, int]] = set()
    stopped = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=20) as client:
            while not stopped.is_set():
                statuses.add(("ask", client.post("/v1/models/next-word-en/next-word", json={"text": "the dog o"}).status_code))

    def change(how: str) -> None:
        with httpx.Client(base_url=address, timeout=20) as client:
            for _ in range(5):
                statuses.add((how, client.post(f"/v2/repository/models/next-word-en/{how}").status_code))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    changing = [threading.Thread(target=change, args=(how,)) for how in ("load", "load", "unload")]
    for thread in (*asking, *changing):
        thread.start()
    for thread in changing:
        thread.join(60)
    stopped.set()
    for thread in asking:
        thread.join(60)
    last = open_client.post("/v2/repository/models/next-word-en/load").status_code

    assert statuses <= {("ask", 200), ("ask", 404), ("load", 200), ("unload", 200), ("unload", 404)}
    assert statuses >= {("ask", 200), ("load", 200)}
    assert last == 200
    assert open_client.post("/v1/models/next-word-en/next-word", json={"text": "the dog o"}).status_code == 200

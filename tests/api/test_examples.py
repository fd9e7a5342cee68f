"""Every example of the docs page, sent as it stands, is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from service.api.sequence_examples import BEGIN
from service.app import create_app
from service.contract.repository import locations
from service.settings import Settings

from .conftest import serving

BUNDLED = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module", params=["tiny", "bundled"])
def service(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A service with the tiny artifacts, and one with the repository's own."""
    if request.param == "tiny":
        yield request.getfixturevalue("client")
        return
    names = {"digit-rows", "energy-load", "next-word-en", "next-word-ko", "share-price"}
    if not {location.name for location in locations(BUNDLED)} >= names:
        pytest.skip("the bundled models are not in models/: `make models` trains them")
    personal = request.getfixturevalue("tmp_path_factory").mktemp("personal") / "words.sqlite"
    with serving(create_app(Settings(models=BUNDLED, personal_words=personal))) as address, httpx.Client(base_url=address) as client:
        yield client


def test_every_example_of_a_body_is_answered_200(service: httpx.Client):
    answers = {
        f"{path} {key}": service.post(path.format(**parameters), json=body).status_code
        for path, key, parameters, body in examples(service.get("/openapi.json").json())
    }

    assert {key: status for key, status in answers.items() if status != 200} == {}
    assert len(answers) == 70


def test_every_get_with_its_examples_is_answered_200(service: httpx.Client):
    assert service.post("/v2/models/next-word-en/infer", json=BEGIN.body).status_code == 200  # of the sequence that is taken out
    schema = service.get("/openapi.json").json()
    routes = {address(path, operation["get"]) for path, operation in schema["paths"].items() if "get" in operation}

    assert {route: status for route in routes if (status := service.get(route).status_code) != 200} == {}
    assert "/v1/models/energy-load/versions/1" in routes


def examples(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Path, key, path parameters and body of each example; the key begins with the model that it is for."""
    for path, operations in schema["paths"].items():
        if "post" not in operations or path.startswith("/v2/repository/models/"):  # those change what is served
            continue
        found = operations["post"]["requestBody"]["content"]["application/json"]["examples"]
        for key, example in found.items():
            name = key.partition(":")[0]
            assert "{name}" not in path or name in parameter(operations["post"], "name")["examples"]
            yield path, key, {**first(operations["post"]), "name": name}, example["value"]


def address(path: str, operation: dict[str, Any]) -> str:
    """The path with its parameters, and those of the query behind it."""
    values = first(operation)
    query = {one["name"]: values[one["name"]] for one in operation.get("parameters", []) if one["in"] == "query"}
    return path.format(**values) + (f"?{urlencode(query)}" if query else "")


def first(operation: dict[str, Any]) -> dict[str, Any]:
    """The first example of each parameter."""
    return {one["name"]: next(iter(one["examples"].values()))["value"] for one in operation.get("parameters", [])}


def parameter(operation: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in operation["parameters"] if one["name"] == name)

"""What holds on every route: cards, request ids, errors, metrics, start and stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp, Message

from service.app import create_app
from service.errors import StartupError
from service.settings import Settings

from .conftest import serving


def test_models_are_listed_with_their_cards_and_what_was_refused(client: httpx.Client):
    answer = client.get("/v1/models").json()

    assert [(card["name"], card["version"]) for card in answer["models"]] == [
        ("digit-rows", 1),
        ("energy-load", 2),
        ("next-word-en", 1),
        ("share-price", 1),
    ]
    (refused,) = answer["refused"]
    assert (refused["name"], refused["version"]) == ("broken", 1)
    assert "manifest.json cannot be read" in refused["reason"]


@pytest.mark.parametrize(("route", "version"), [("/v1/models/energy-load", 2), ("/v1/models/energy-load/versions/1", 1)])
def test_a_card_says_what_a_model_takes_and_how_good_it_is(client: httpx.Client, route: str, version: int):
    card = client.get(route).json()

    assert card["version"] == version
    assert card["versions"] == [1, 2]
    assert card["task"]["kind"] == "forecast"
    assert card["task"]["horizon"] == 48
    assert card["routes"][0] == "/v1/models/energy-load/forecast"
    assert card["scores"]["baselines"] == {"last value": {"mae": 2.0}}
    assert (card["backend"], card["device"]) == ("onnx", "cpu")


def test_an_unknown_card_is_answered_404_with_the_names_that_are_known(client: httpx.Client):
    answer = client.get("/v1/models/none")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "served here: digit-rows, energy-load" in answer.json()["detail"]


@pytest.mark.parametrize("version", ["0", "x", "9" * 5000])
def test_a_card_of_what_is_no_version_is_answered_422(client: httpx.Client, version: str):
    answer = client.get(f"/v1/models/energy-load/versions/{version}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == ["path", "version"]


def test_the_root_says_that_the_service_is_alive_and_where_it_is_documented(client: httpx.Client):
    assert client.get("/").json() == {"status": "alive", "docs": "/docs"}


@pytest.mark.parametrize("route", ["/v1", "/v1/models/", "/v1/models/energy-load/forecasts", "/docs/static/none.js"])
def test_an_unknown_route_is_a_problem(client: httpx.Client, route: str):
    answer = client.get(route)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == f"GET {route}: Not Found; the routes are listed at /docs"


@pytest.mark.parametrize(
    "route", ["/v1/models/energy-load/forecast", "/v1/models/energy-load:predict", "/v1/models/energy-load/versions/1:predict"]
)
def test_a_question_is_a_post(client: httpx.Client, route: str):
    answer = client.get(route)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["type"] == "urn:carousel:no-route"


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/v1/models"),
        ("GET", "/none"),
        ("GET", "/docs"),
        ("POST", "/v1/models/none:predict"),
        ("POST", "/v1/models/digit-rows:predict"),
    ],
)
def test_a_request_id_is_echoed_or_made(client: httpx.Client, method: str, route: str):
    echoed = client.request(method, route, headers={"X-Request-ID": "mine-1"})
    made = client.request(method, route)

    assert echoed.headers.get_list("x-request-id") == ["mine-1"]
    assert len(made.headers["x-request-id"]) == 16


def test_a_request_id_that_is_too_long_is_not_echoed(client: httpx.Client):
    assert len(client.get("/v2", headers={"X-Request-ID": "x" * 129}).headers["x-request-id"]) == 16


def test_metrics_count_requests_by_route_model_and_status(client: httpx.Client):
    client.post("/v1/models/digit-rows/classify", json={})
    client.post("/v1/models/none/classify", json={"sequences": [[[1]]]})
    client.get("/v1/models/digit-rows")

    answer = client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    counted = 'carousel_requests_total{model="%s",route="%s",status="%d",version=""} '
    for labels in [
        ("digit-rows", "/v1/models/{name}/classify", 422),
        ("", "/v1/models/{name}/classify", 404),
        ("digit-rows", "/v1/models/{name}", 200),
    ]:
        assert any(line.startswith(counted % labels) for line in lines), labels
    assert any(line.startswith('carousel_rejected_total{model="unknown",reason="model-not-found"} ') for line in lines)


def test_a_service_without_models_is_alive_and_not_ready(tmp_path: Path):
    with serving(create_app(Settings(models=tmp_path))) as address:
        ready = httpx.get(f"{address}/v2/health/ready")
        live = httpx.get(f"{address}/v2/health/live")

    assert ready.status_code == 503
    assert ready.json() == {"error": "no model is served: publish one into the model folder and start again"}
    assert live.json() == {"live": True, "ready": False}


def test_a_missing_model_folder_stops_the_start(tmp_path: Path):
    app = create_app(Settings(models=tmp_path / "none"))

    async def start() -> None:
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(StartupError, match="no model folder"):
        asyncio.run(start())


class BrokenRegistry:
    """Fails in a way that nobody foresaw."""

    def get(self, name: str, version: int | None = None) -> None:
        raise RuntimeError(f"secret of {name} {version}")


@pytest.mark.parametrize(
    ("method", "route", "expected"),
    [
        ("POST", "/v1/models/a/classify", "'a' failed on this request"),
        ("GET", "/v1/models/a", "the service failed on this request"),
        ("GET", "/v2/models/a", "the service failed on this request"),
    ],
)
def test_an_unforeseen_failure_is_a_500_that_tells_no_secret(
    broken: ASGIApp, caplog: pytest.LogCaptureFixture, method: str, route: str, expected: str
):
    with caplog.at_level(logging.CRITICAL, "uvicorn.error"):
        answer = asyncio.run(ask(broken, method, route, content=b'{"sequences": [[[1]]]}'))

    assert answer.status_code == 500
    assert expected in answer.text
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "mine-1"


def test_an_unforeseen_failure_is_logged_with_the_request_id(broken: ASGIApp, caplog: pytest.LogCaptureFixture):
    asyncio.run(ask(broken, "POST", "/v1/models/a/classify", content=b'{"sequences": [[[1]]]}'))

    assert caplog.messages == ["/v1/models/{name}/classify failed on request mine-1"]
    assert caplog.records[0].exc_info is not None


@pytest.fixture
def broken(tmp_path: Path) -> ASGIApp:
    app = create_app(Settings(models=tmp_path))
    app.context = replace(app.context, registry=BrokenRegistry())
    return app


async def ask(app: ASGIApp, method: str, route: str, *, content: bytes) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, route, content=content, headers={"X-Request-ID": "mine-1"})


def test_a_body_that_never_ends_is_given_up(tmp_path: Path):
    sent = asyncio.run(_post(create_app(Settings(models=tmp_path, timeout_s=0.05)), _waits_for_ever))

    assert sent[0]["status"] == 400
    assert b"did not arrive within 0.05 s" in sent[1]["body"]


def test_a_caller_who_hangs_up_is_not_answered(tmp_path: Path):
    assert asyncio.run(_post(create_app(Settings(models=tmp_path)), _hangs_up)) == []


async def _waits_for_ever() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def _hangs_up() -> Message:
    return {"type": "http.disconnect"}


async def _post(app: ASGIApp, receive: Callable[[], object]) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/models/a/classify", "headers": [], "query_string": b"", "root_path": ""}
    await app(scope, receive, send)
    return sent

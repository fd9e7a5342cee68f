"""What a start leaves for later: routes that FastAPI takes apart when they are asked, modules of those that are seldom asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from service.api.dispatch import Dispatch
from service.api.hot_route import HotRoute
from service.api.late_route import LateRoute
from service.app import create_app
from service.settings import Settings

STARTED = textwrap.dedent("""
    import sys
    import service.__main__, service.serving, service.app
    from pydantic import BaseModel

    def below(model):
        return {model, *(one for child in model.__subclasses__() for one in below(child))}

    service.app.create_app(service.app.Settings())
    print(*sorted(sys.modules))
    print(*sorted(one.__qualname__ for one in below(BaseModel) if one.__module__.startswith("service.") and one.__pydantic_complete__))
""")
OPTIONAL = {
    "grpc",
    "google.protobuf",
    "holidays",
    "onnx",
    "opentelemetry.sdk",
    "pyarrow",
    "redis",
    "sqlite3",
    "tokenizers",
    "tomllib",
    "torch",
}
SELDOM = {"nixtla", "openai", "timeseries"}


class Number(BaseModel):
    """An answer."""

    value: int


def route_of(route_class: type[LateRoute]) -> LateRoute:
    router = APIRouter(route_class=route_class)

    @router.get("/numbers/{value}")
    async def number(value: int) -> Number:
        return Number(value=value)

    route = router.routes[0]
    assert isinstance(route, LateRoute)
    return route


def test_a_start_imports_nothing_that_is_optional_or_seldom_asked_and_builds_no_model_of_a_route():
    output = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True).stdout

    imported, built = (set(line.split()) for line in output.split("\n")[:2])
    assert "service.api.forecast" in imported
    assert OPTIONAL & imported == set()
    assert {name for name in imported if name.startswith("service.api.compat.") and name.rpartition(".")[2] in SELDOM} == set()
    assert "service.api.seldom" not in imported
    assert {"ForecastAnswer", "ForecastBody", "InferBody", "Manifest"} & built == set()


def test_a_route_is_found_before_it_is_taken_apart():
    route = route_of(LateRoute)

    assert (route.path_format, route.methods) == ("/numbers/{value}", {"GET"})
    assert "dependant" not in vars(route)
    assert route.response_model is Number
    assert [field.name for field in route.dependant.path_params] == ["value"]


def test_a_late_route_has_no_other_attributes_than_any_route():
    route = route_of(LateRoute)

    with pytest.raises(AttributeError, match="LateRoute has no attribute 'colour'"):
        _ = route.colour
    assert route.name == "number"


def test_what_is_seldom_asked_is_added_once_and_answers_whoever_waited_for_it():
    counting = create_app(Settings())
    added: list[str] = []
    asked: list[str] = []

    def add_seldom() -> list[HotRoute]:
        time.sleep(0.05)
        added.append("seldom")
        return []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        asked.append(f"{scope['path']} after {len(added)}")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    dispatch = Dispatch(app, hot=[], first=["/first"], add_seldom=add_seldom)

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = counting
        await dispatch(scope, receive, send)

    async def ask_all() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(answering), base_url="http://test") as client:
            await client.get("/first")
            await asyncio.gather(client.get("/one"), client.get("/two"), client.get("/first"))
            await client.get("/three")

    asyncio.run(ask_all())

    assert added == ["seldom"]
    assert sorted(asked) == ["/first after 0", "/first after 0", "/one after 1", "/three after 1", "/two after 1"]


def test_a_route_that_is_seldom_asked_is_answered_and_documented(tmp_path: Path):
    app = create_app(Settings(models=tmp_path))
    before = {route.path for route in app.routes}  # type: ignore[attr-defined]  # all have one

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return [await client.get("/v1/models"), await client.get("/openai/v1/models"), await client.post("/openai/v1/completions")]

    answers = asyncio.run(ask())

    assert "/v1/models" not in before
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert "/openai/v1/completions" in create_app(Settings(models=tmp_path)).openapi()["paths"]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/metrics", "/v2", "/"])
def test_what_is_asked_first_takes_no_other_method(client: httpx.Client, path: str):
    answer = client.post(path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"

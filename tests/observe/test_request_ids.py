"""Request ids and paths that mean harm: none of them gets into an answer's head or a line of the log as more than text."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from service.api.observation import Observation
from service.api.request_id import HEADER, request_id_header
from service.app import create_app
from service.observe.finished_request import FinishedRequest
from service.observe.log_lines import JsonLines
from service.observe.telemetry import Telemetry
from service.settings import Settings
from tests.api.conftest import serving
from tests.attacks.wire import connected

from .conftest import ACCESS_LOG

MADE = re.compile(r"[0-9a-f]{16}")
TEXT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")


@pytest.fixture(scope="module")
def address(tiny_models: Path) -> Iterator[str]:
    with serving(create_app(Settings(models=tiny_models, access_log=True))) as address:
        yield address


def answer(connection: socket.socket) -> bytes:
    """The head of the answer, whole."""
    head = b""
    while b"\r\n\r\n" not in head and (chunk := connection.recv(65_536)):
        head += chunk
    return head.partition(b"\r\n\r\n")[0]


def asked(address: str, path: bytes, *headers: bytes) -> bytes:
    with connected(address) as connection:
        connection.sendall(b"\r\n".join((b"GET " + path + b" HTTP/1.1", b"Host: test", b"Connection: close", *headers, b"", b"")))
        return answer(connection)


def lines(caplog: pytest.LogCaptureFixture, formatter: logging.Formatter) -> list[str]:
    """Those of requests; they are written once the answer is sent, so that there is one to wait for."""
    while not (told := [record for record in caplog.records if record.name == ACCESS_LOG]):
        time.sleep(0.001)
    return [formatter.format(record) for record in told]


@pytest.mark.parametrize(
    "hostile",
    [
        b"x" * 129,
        b"a b",
        b"a\tb",
        b"caf\xc3\xa9",
        b"\xe2\x80\xa8",
        b"\x85",
        b"\x9b31m",
        b"",
    ],
)
def test_an_id_that_is_long_or_not_printable_is_replaced(address: str, hostile: bytes):
    head = asked(address, b"/v2/health/live", b"X-Request-ID: " + hostile)

    assert head.startswith(b"HTTP/1.1 200 ")
    (identity,) = re.findall(rb"(?i)^x-request-id: ([^\r]*)\r?$", head, re.MULTILINE)
    assert MADE.fullmatch(identity.decode())


@pytest.mark.parametrize("hostile", [b"a\x00b", b"a\x7fb", b"a\x1b[31mb", b"a\rX-Forged: 1", b"a\nX-Forged: 1", b"a\r\n X-Forged: 1"])
def test_an_id_with_a_control_character_brings_no_header_into_the_answer(address: str, hostile: bytes):
    head = asked(address, b"/v2/health/live", b"X-Request-ID: " + hostile)

    assert b"forged" not in head.lower()
    assert b"\x1b" not in head


@given(st.binary(max_size=200))
def test_an_id_is_kept_whole_or_not_at_all(sent: bytes):
    name, identity = request_id_header({"headers": [(HEADER, sent)]})

    assert name == HEADER
    if identity == sent:
        assert 1 <= len(sent) <= 128
        assert all(0x21 <= byte <= 0x7E for byte in sent)
    else:
        assert MADE.fullmatch(identity.decode())


def test_of_several_ids_the_first_that_is_accepted_is_kept():
    headers = [(HEADER, b"not this"), (HEADER, b"this"), (HEADER, b"nor-this")]

    assert request_id_header({"headers": headers}) == (HEADER, b"this")


@pytest.mark.parametrize(
    "identity",
    [
        b'"}{"level":"error","message":"forged"}',
        b'\\"status\\":200',
        b"{{7*7}}%0a%s%n",
        b"status=200",
    ],
)
def test_an_id_is_one_field_of_one_line(address: str, caplog: pytest.LogCaptureFixture, identity: bytes):
    caplog.set_level(logging.INFO)
    asked(address, b"/nowhere", b"X-Request-ID: " + identity)

    (line,) = lines(caplog, JsonLines())
    told = json.loads(line)
    assert (told["request_id"], told["status"], told["level"]) == (identity.decode(), 404, "info")
    (text,) = lines(caplog, TEXT)
    assert text.split()[4:6] == ["404", f"request_id={identity.decode()}"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (b"/a%0d%0a12:00:00%20INFO%20forged", "/a%0d%0a12:00:00%20INFO%20forged"),
        (b"/a%22,%22status%22:200", "/a%22,%22status%22:200"),
        (b"/%e2%80%a8%1b[31m", "/%e2%80%a8%1b[31m"),
        (b"/caf%c3%a9%85", "/caf%c3%a9%85"),
        (b"/v1/models/a%20status=200/classify", "/v1/models/a%20status=200/classify"),
        (b"/secret?token=hunter2", "/secret"),
        (b"/" + b"x" * 5000, "/" + "x" * 299),
    ],
)
def test_a_path_is_one_field_of_one_line_without_its_query(address: str, caplog: pytest.LogCaptureFixture, path: bytes, told: str):
    caplog.set_level(logging.INFO)
    head = asked(address, path)

    assert head.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 405 "))
    (line,) = lines(caplog, JsonLines())
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["path"] == told
    (text,) = lines(caplog, TEXT)
    assert len(text.splitlines()) == 1
    assert text.split()[1:5] == ["INFO", "GET", told, head.split(b" ")[1].decode()]
    assert text.split()[5].startswith("request_id=")


@given(st.text(), st.text(), st.binary())
def test_whatever_a_server_lets_through_is_one_field_of_one_line(method: str, path: str, identity: bytes):
    async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answers nobody."""

    class Telling:
        def record(self, request: FinishedRequest, headers: Iterable[tuple[bytes, bytes]]) -> str:
            assert list(headers) == [(b"x-request-id", identity)]
            told.append(request)
            return ""

        def close(self) -> None:
            """Has nothing to send."""

    told: list[FinishedRequest] = []
    observation = Observation(nothing, telemetry=Telemetry.create(), log=False, tracing=Telling())
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"x-request-id", identity)]}
    asyncio.run(observation(scope, None, None))  # type: ignore[arg-type]  # nobody asks or answers

    (request,) = told
    assert request.method.isascii()
    assert request.method.replace("_", "").isalpha()
    assert all(re.fullmatch(r"[!-~]*", text) for text in (request.path, request.request_id))
    assert len(request.path) <= 900


def test_nothing_of_a_body_is_in_a_line(address: str, caplog: pytest.LogCaptureFixture):
    body = b'{"text": "hunter2", "words": 0}'
    caplog.set_level(logging.DEBUG)
    with connected(address) as connection:
        head = [b"POST /v1/models/tiny-words/next-word HTTP/1.1", b"Host: test", b"Content-Length: %d" % len(body), b"", body]
        connection.sendall(b"\r\n".join(head))
        assert answer(connection).startswith(b"HTTP/1.1 422 ")

    assert len(lines(caplog, TEXT)) == 1
    assert "hunter2" not in caplog.text

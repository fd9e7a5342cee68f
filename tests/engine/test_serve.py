"""`carousel serve` as a process of its own, on a real socket."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

COMMAND = (sys.executable, "-m", "service")
WITHOUT_TORCH = textwrap.dedent("""
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("torch", "training", "pandas", "onnx", "grpc", "grpc_health", "tokenizers"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())
    from service.__main__ import main
    sys.exit(main())
""")


@contextmanager
def serving(models: Path, *flags: str, command: tuple[str, ...] = COMMAND) -> Iterator[tuple[subprocess.Popen[str], httpx.URL]]:
    """A server and its address; killed where the test has not stopped it."""
    process = subprocess.Popen(
        [*command, "serve", "--models", str(models), "--port", "0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"answers on (http://[\d.]+:\d+); try it at \1/docs", line)
        assert found is not None, line + process.communicate(timeout=20)[1]
        yield process, httpx.URL(found[1])
    finally:
        process.kill()
        process.communicate(timeout=20)


def stopped(process: subprocess.Popen[str], by: signal.Signals) -> tuple[int, str]:
    """Exit code and log of a server that got a signal."""
    process.send_signal(by)
    _, log = process.communicate(timeout=30)
    return process.returncode, log


def ask_classes(address: httpx.URL) -> httpx.Response:
    return httpx.post(f"{address}/v1/models/tiny-classes/classify", json={"sequences": [[[0, 1, 0]]]}, timeout=20)


def rows_of_classes(address: httpx.URL) -> int:
    rows: int = httpx.get(f"{address}/v2/models/tiny-classes/versions/2/stats", timeout=20).json()["model_stats"][0]["inference_count"]
    return rows


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_server_says_what_it_loaded_and_refused_answers_and_stops_with_0(tiny_models: Path, tmp_path: Path, by: signal.Signals):
    root = shutil.copytree(tiny_models, tmp_path / "models")
    (root / "broken" / "1").mkdir(parents=True)
    with serving(root) as (process, address):
        answer = ask_classes(address)
        code, log = stopped(process, by)

    assert answer.json()["predictions"][0]["label"] == "one"
    assert code == 0
    assert "loaded tiny-words version 1: next-word in fp32 on cpu" in log
    assert "refused broken version 1: manifest.json cannot be read: No such file or directory" in log


def test_a_request_in_flight_is_finished_before_the_server_stops(tiny_models: Path):
    body = json.dumps({"sequences": [[[0, 1, 0]]]}).encode()
    head = (
        f"POST /v1/models/tiny-classes/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with serving(tiny_models) as (process, address), socket.create_connection((address.host, address.port or 0), timeout=20) as client:
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")  # the route waits for the body: the request is in flight
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        while "Shutting down" not in process.stderr.readline():
            pass
        client.sendall(body)
        answer = b""
        while chunk := client.recv(10_000):
            answer += chunk
        process.communicate(timeout=30)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"label":"one"' in answer
    assert process.returncode == 0


def test_a_request_that_never_ends_holds_a_stopping_server_no_longer_than_its_bound(tiny_models: Path):
    head = "POST /v1/models/tiny-classes/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n"
    with (
        serving(tiny_models, "--drain-s", "1") as (process, address),
        socket.create_connection((address.host, address.port or 0), timeout=20) as client,
    ):
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        code, log = stopped(process, signal.SIGTERM)  # the body never comes

    assert code == 0
    assert "Cancel 1 running task(s), timeout graceful shutdown exceeded" in log


def test_a_server_told_to_stop_is_not_ready_first_and_still_answers(tiny_models: Path):
    with serving(tiny_models, "--stop-delay-s", "60") as (process, address), httpx.Client(base_url=address, timeout=20) as client:
        assert client.get("/v2/health/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        while client.get("/v2/health/ready").status_code == 200:
            pass
        assert client.get("/v2/health/live").status_code == 200
        assert ask_classes(address).status_code == 200
        code, _ = stopped(process, signal.SIGTERM)  # a second signal does not wait

    assert code == 0


def test_workers_end_with_a_parent_that_was_killed(tiny_models: Path):
    with serving(tiny_models, "--workers", "2") as (process, address):
        assert ask_classes(address).status_code == 200

        process.kill()
        process.communicate(timeout=30)  # the workers hold its standard error for as long as they live

        with pytest.raises(httpx.ConnectError):
            ask_classes(address)


def test_several_workers_share_a_port_and_stop_with_0(tiny_models: Path):
    with serving(tiny_models, "--workers", "2", "--log-format", "json") as (process, address):
        answers = [ask_classes(address).json()["predictions"][0]["label"] for _ in range(5)]
        counted = 'carousel_inference_rows_sum{model="tiny-classes",version="2"} 5.0'
        # whichever worker is asked, it soon knows of the other's
        while counted not in httpx.get(f"{address}/metrics", timeout=20).text:
            pass
        while rows_of_classes(address) != 5:
            pass
        code, log = stopped(process, signal.SIGTERM)

    assert answers == ["one"] * 5
    assert code == 0
    assert all(json.loads(line)["level"] in ("info", "warning") for line in log.splitlines())


@pytest.mark.parametrize("name", ["tiny-forecast", "tiny-words", "tiny-classes"])
def test_golden_requests_are_answered_where_torch_and_training_cannot_be_imported(without_torch: httpx.URL, tiny_models: Path, name: str):
    for golden in json.loads((tiny_models / name / "1" / "golden.json").read_bytes()):
        question = {"inputs": [{"name": tensor, **content} for tensor, content in golden["inputs"].items()]}
        answer = httpx.post(f"{without_torch}/v2/models/{name}/infer", json=question, timeout=20).json()

        found = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
        assert found.keys() == golden["outputs"].keys()
        for tensor, expected in golden["outputs"].items():
            assert found[tensor] == pytest.approx(expected["data"], abs=1e-5)


@pytest.fixture(scope="module")
def without_torch(tiny_models: Path) -> Iterator[httpx.URL]:
    with serving(tiny_models, command=(sys.executable, "-c", WITHOUT_TORCH)) as (_, address):
        yield address

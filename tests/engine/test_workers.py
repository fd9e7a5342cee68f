"""Two real workers on one port: while one of them is stopped, it is the other that answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import Answer, Server, paused, running, until

from .versions import publish

BODY = {"sequences": [[[0, 1, 0]]]}


def classified(server: Server) -> Answer:
    """An answer on a connection of its own."""
    return server.ask("/v1/models/tiny/classify", BODY)


def version(server: Server) -> str:
    answer = classified(server)
    assert answer.status == 200, answer.body
    return answer.headers["X-Model-Version"]


def versions_of_each(server: Server) -> list[set[str]]:
    """Versions that 25 requests are answered by, of each of two workers alone."""
    answers = []
    for other in reversed(server.workers()):
        with paused(other):
            answers.append({version(server) for _ in range(25)})
    return answers


def change(server: Server, how: str) -> Answer:
    return server.ask(f"/v2/repository/models/tiny/{how}", {})


def index(server: Server) -> dict[str, str]:
    return {entry["version"]: entry["state"] for entry in server.ask("/v2/repository/index", {}).json()}


def two_ready(server: Server) -> list[int]:
    """The workers, once there are two and each of them answers."""
    until(lambda: len(server.workers()) == 2)
    versions_of_each(server)
    return server.workers()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("explicit")
    publish(root)
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    """Two workers whose models come and go on request alone."""
    with running(root, "--workers", "2", "--repository-mode", "explicit", "--timeout-s", "1") as server:
        two_ready(server)
        yield server


def test_after_a_load_every_connection_to_either_worker_is_answered_by_the_new_version(server: Server, root: Path):
    before = version(server)
    new = str(publish(root))
    assert versions_of_each(server) == [{before}, {before}]

    assert change(server, "load").status == 200
    assert {version(server) for _ in range(50)} == {new}
    assert versions_of_each(server) == [{new}, {new}]


def test_a_worker_that_hangs_while_a_model_is_loaded_is_named_and_follows_later(server: Server, root: Path):
    new = str(publish(root))
    hanging = server.workers()[1]
    with paused(hanging):
        late = change(server, "load")
        told = index(server)[new]

    assert late.status == 504
    assert f"process {hanging} not yet" in late.json()["error"]
    assert told == "UNAVAILABLE"
    until(lambda: index(server)[new] == "READY")
    assert versions_of_each(server) == [{new}, {new}]


def test_a_worker_in_the_place_of_one_that_was_killed_serves_what_the_other_serves(server: Server, root: Path):
    served = version(server)
    killed = server.workers()[1]
    new = str(publish(root))
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in server.workers())
    two_ready(server)
    assert versions_of_each(server) == [{served}, {served}]

    assert change(server, "load").status == 200
    assert versions_of_each(server) == [{new}, {new}]


def test_workers_that_follow_the_folder_come_to_answer_alike(tmp_path: Path):
    publish(tmp_path)
    publish(tmp_path, "other")
    with running(tmp_path, "--workers", "2", "--repository-mode", "poll", "--poll-interval-s", "0.1") as server:
        two_ready(server)
        publish(tmp_path)
        until(lambda: versions_of_each(server) == [{"2"}, {"2"}])

        assert change(server, "unload").status == 200
        for other in server.workers():
            with paused(other):
                assert classified(server).status == 404

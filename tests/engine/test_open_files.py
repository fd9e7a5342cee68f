from __future__ import annotations

import logging
import resource
from collections.abc import Iterator

import pytest

from service.open_files import allow_open_files


@pytest.fixture
def hard() -> Iterator[int]:
    """The most that the system leaves this process, which begins with less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (900, hard))
    yield hard if hard != resource.RLIM_INFINITY else 2**31
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_the_limit_is_raised_to_what_is_wanted(hard: int):
    assert hard > 950
    assert allow_open_files(950) == limit() == 950


def test_the_limit_is_raised_to_what_the_system_leaves(hard: int):
    assert allow_open_files(2**31) == limit() == hard


def test_a_limit_that_is_enough_stays(hard: int):
    assert hard > 900
    assert allow_open_files(100) == limit() == 900


@pytest.mark.usefixtures("hard")
def test_a_system_that_refuses_leaves_the_limit_and_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    def refuse(_what: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    with caplog.at_level(logging.WARNING):
        assert allow_open_files(950) == 900
    monkeypatch.undo()

    assert "at most 900 files and connections can be open: not allowed to raise maximum limit" in caplog.text

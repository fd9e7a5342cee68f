"""Fixtures of all tests: artifacts that are published once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import artifacts

settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True, database=None)
settings.load_profile("quick")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Whatever a command of a test configured, the next test finds its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with one artifact of each task; read it, do not change it."""
    root = tmp_path_factory.mktemp("tiny-models")
    artifacts.publish(root, "tiny-forecast", artifacts.forecaster())
    artifacts.publish(root, "tiny-words", artifacts.next_word())
    artifacts.publish(root, "tiny-classes", artifacts.classifier())
    artifacts.publish(root, "tiny-classes", artifacts.classifier())
    return root

"""No setting is for show."""

import re
from pathlib import Path

import pytest

import training
from training.config import ClassifyConfig, ForecastConfig, NextWordConfig

SOURCES = "\n".join(path.read_text() for path in Path(training.__file__).parent.rglob("*.py") if path.name != "config.py")


@pytest.mark.parametrize("kind", [ForecastConfig, NextWordConfig, ClassifyConfig])
def test_every_setting_is_read_by_the_code_that_trains(kind):
    unread = [name for name in kind.model_fields if name != "task" and not re.search(rf"\bconfig\.{name}\b", SOURCES)]
    assert unread == []

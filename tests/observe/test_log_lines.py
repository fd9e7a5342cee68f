"""Lines of the log for people and for machines; none of them can be forged by what a request brings."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.observe.log_lines import JsonLines, configure_logging


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("restored_logging")
def test_log_lines_for_machines_are_one_json_object_each(capsys: pytest.CaptureFixture[str]):
    configure_logging("info", "json")
    logger = logging.getLogger("service.test")
    logger.debug("not said")
    logger.info("loaded %s", "load")
    try:
        raise ArithmeticError("poison")
    except ArithmeticError:
        logger.exception("failed")

    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "service.test", "loaded load")
    assert first["time"].endswith("+00:00")
    assert "traceback" not in first
    assert second["traceback"].endswith("ArithmeticError: poison")


@pytest.mark.usefixtures("restored_logging")
def test_log_lines_for_people_are_text(capsys: pytest.CaptureFixture[str]):
    configure_logging("warning", "text")
    logging.getLogger("service.test").info("not said")
    logging.getLogger("service.test").warning("refused %s", "load")

    assert capsys.readouterr().err.endswith(" WARNING refused load\n")


@given(st.text())
def test_a_line_for_machines_is_one_line_of_ascii_whatever_its_message_holds(message: str):
    line = JsonLines().format(logging.LogRecord("service.test", logging.INFO, __file__, 1, "%s", (message,), None))

    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == message

"""Score a file with a model and no server: one question a line in, one answer a line out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from service.api.predict import instances_dialogue
from service.contract.manifest import ForecastTask, Manifest
from service.errors import BadQuestion, InferenceFailed, ServiceError, StartupError
from service.served_model import ServedModel
from service.tasks.dialogue import QuestionError, converse
from service.tasks.levels import asked_levels

logger = logging.getLogger(__name__)

BATCH_LINES = 32
"""Lines that are read, asked together and written before the next are read."""


_NO_PARAMETERS: Mapping[str, Any] = {}


def parameters_of(manifest: Manifest, *, horizon: int | None, quantiles: Sequence[float] | None) -> dict[str, Any]:
    """What flags ask of every line, as `parameters` of `:predict`; nothing where neither is given.

    Raises:
        StartupError, QuestionError: the model is no forecaster, or has no such horizon or level.
    """
    given = {name: value for name, value in (("horizon", horizon), ("quantiles", quantiles)) if value is not None}
    task = manifest.task
    if given and not isinstance(task, ForecastTask):
        flags = " and ".join(f"--{name}" for name in given)
        raise StartupError(f"{flags}: {manifest.name!r} is a {task.kind} model and forecasts nothing: leave the flag out")
    if isinstance(task, ForecastTask):
        if horizon is not None and not 1 <= horizon <= task.horizon:
            raise StartupError(f"--horizon {horizon}: this model forecasts 1 to {task.horizon} steps")
        asked_levels(task.quantiles, quantiles)
    return given


def answers(model: ServedModel, lines: Iterable[bytes], parameters: Mapping[str, Any] = _NO_PARAMETERS) -> Iterator[bytes]:
    """A line of JSON for each line that is not blank, in order: a prediction, or {"error": ..., "line": ...}; lines count from 1.

    `parameters` are those of `:predict`, for all lines.
    """
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    while batch := list(islice(numbered, BATCH_LINES)):
        for answer in _together(model, batch, parameters):
            yield orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def is_error(answer: bytes) -> bool:
    """Whether a line of `answers` stands for a question that got no answer."""
    return answer.startswith(b'{"error":')


def _together(model: ServedModel, batch: list[tuple[int, bytes]], parameters: Mapping[str, Any]) -> list[Any]:
    """Answers to a batch asked as one; where that fails, each is asked alone, so that one bad line costs only itself."""
    try:
        return _ask(model, [_parsed(line) for _, line in batch], parameters)
    except Exception:  # a graph may raise anything; which line it was, and why, is found below
        return [_alone(model, number, line, parameters) for number, line in batch]


def _alone(model: ServedModel, number: int, line: bytes, parameters: Mapping[str, Any]) -> object:
    try:
        return _ask(model, [_parsed(line)], parameters)[0]
    except QuestionError as error:
        return {"error": BadQuestion.of(error).detail, "line": number}
    except ServiceError as error:
        return {"error": error.detail, "line": number}
    except Exception:  # a graph may raise anything; one line must not stop the others
        logger.exception("%s failed on line %d", model.manifest.name, number)
        return {"error": InferenceFailed(model.manifest.name).detail, "line": number}


def _parsed(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadQuestion(f"not JSON: {error}: write one question a line") from error


def _ask(model: ServedModel, instances: list[object], parameters: Mapping[str, Any]) -> list[Any]:
    return converse(instances_dialogue(model.manifest, model.language, instances, parameters), model.backend.run)

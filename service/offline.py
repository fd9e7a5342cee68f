"""Score a file with a model and no server: one question a line in, one answer a line out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from service.api.predict import instances_dialogue
from service.contract.repository import Location, locations
from service.errors import BadQuestion, InferenceFailed, ModelNotFound, ServiceError, VersionNotFound
from service.served_model import ServedModel
from service.settings import Settings
from service.tasks.dialogue import QuestionError, converse

logger = logging.getLogger(__name__)

BATCH_LINES = 32
"""Lines that are read, asked together and written before the next are read."""


def open_model(settings: Settings, wanted: str) -> ServedModel:
    """The model `NAME` or `NAME@VERSION` of the model folder, the newest version unless one is named.

    Raises:
        ModelNotFound, VersionNotFound: there is no such artifact.
        ArtifactError, StartupError: it must not be served, or its device or backend is not there.
    """
    name, _, version = wanted.partition("@")
    return ServedModel.load(_locate(settings, name, version), root=settings.models, settings=settings)


def answers(model: ServedModel, lines: Iterable[bytes]) -> Iterator[bytes]:
    """A line of JSON for each line that is not blank, in order: a prediction, or {"error": ..., "line": ...}; lines count from 1."""
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    while batch := list(islice(numbered, BATCH_LINES)):
        for answer in _together(model, batch):
            yield orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def is_error(answer: bytes) -> bool:
    """Whether a line of `answers` stands for a question that got no answer."""
    return answer.startswith(b'{"error":')


def _locate(settings: Settings, name: str, version: str) -> Location:
    found = list(locations(settings.models))
    versions = {str(location.version): location for location in found if location.name == name}
    if not versions:
        raise ModelNotFound(name, available=sorted({location.name for location in found}))
    if not version:
        return list(versions.values())[-1]
    if version not in versions:
        raise VersionNotFound(name, version, available=[location.version for location in versions.values()])
    return versions[version]


def _together(model: ServedModel, batch: list[tuple[int, bytes]]) -> list[Any]:
    """Answers to a batch asked as one; where that fails, each is asked alone, so that one bad line costs only itself."""
    try:
        return _ask(model, [_parsed(line) for _, line in batch])
    except Exception:  # a graph may raise anything; which line it was, and why, is found below
        return [_alone(model, number, line) for number, line in batch]


def _alone(model: ServedModel, number: int, line: bytes) -> object:
    try:
        return _ask(model, [_parsed(line)])[0]
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


def _ask(model: ServedModel, instances: list[object]) -> list[Any]:
    return converse(instances_dialogue(model.manifest, model.tokenizer, instances), model.backend.run)

"""Classification over HTTP: the body, the answer, the routes."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.api import examples
from service.api.body import Body
from service.api.deps import Version, model_of, timeout_s, wrong_task
from service.api.hot_route import HotRoute
from service.api.problem import TASK_ERRORS, documented
from service.contract.manifest import ClassifyTask, Manifest
from service.tasks import classify as task_classify
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.language import Language

MAX_SEQUENCES = 1000

Row = Annotated[list[float], Field(fail_fast=True)]
Sequence = Annotated[list[Row], Field(min_length=1, max_length=task_classify.MAX_ROWS, fail_fast=True)]


class ClassifyBody(Body):
    """Sequences to label."""

    sequences: list[Sequence] = Field(
        min_length=1,
        max_length=MAX_SEQUENCES,
        description="Each one is rows of numbers, first row first, in the units of the training data.",
    )


class SequenceLabel(BaseModel, defer_build=True):
    """The label of one sequence."""

    label: str = Field(description="The likeliest label.")
    probabilities: dict[str, float] = Field(description="Label -> probability.")


class ClassifyAnswer(BaseModel, defer_build=True):
    """Labels in the order of the sequences."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CLASSIFY_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    predictions: list[SequenceLabel] = Field(description="One for each sequence.")


router = APIRouter(route_class=HotRoute, tags=["Ask"])

_Name = Annotated[str, Path(description="A classifier's name.", openapi_examples=examples.names(examples.CLASSIFY))]
_Question = Annotated[ClassifyBody, BodyParameter(openapi_examples=examples.bodies(examples.CLASSIFY))]


@router.post(
    "/v1/models/{name}/classify",
    response_model=ClassifyAnswer,
    summary="Label sequences",
    response_description="A label for each sequence, in their order.",
    responses=documented(TASK_ERRORS),
)
async def classify(request: Request, body: _Question, name: _Name) -> dict[str, Any]:
    """Label one or more sequences: the likeliest label and the probability of each."""
    return await _answer(request, body, name, None)


@router.post(
    "/v1/models/{name}/versions/{version}/classify",
    response_model=ClassifyAnswer,
    summary="Label sequences with one version",
    response_description="A label for each sequence, in their order.",
    responses=documented(TASK_ERRORS),
)
async def classify_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any]:
    """The same with the version that the path says."""
    return await _answer(request, body, name, version)


def dialogue(manifest: Manifest, language: Language | None, body: ClassifyBody) -> Dialogue[dict[str, Any]]:  # noqa: ARG001 - every task has this signature
    """What the model is run on for this body; returns the answer without the model's name, ready for JSON.

    Raises:
        WrongTask: not a classifier.
        QuestionError: from the dialogue, where the model cannot answer.
    """
    if not isinstance(manifest.task, ClassifyTask):
        raise wrong_task(manifest)
    return _dialogue(manifest.task, body)


async def _answer(request: Request, body: ClassifyBody, name: str, version: int | None) -> dict[str, Any]:
    model = model_of(request, name, version)
    answer = await model.ask(dialogue(model.manifest, model.language, body), timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, **answer}


def _dialogue(task: ClassifyTask, body: ClassifyBody) -> Dialogue[dict[str, Any]]:
    sequences = [task_classify.rows(rows, features=task.features, position=position) for position, rows in enumerate(body.sequences)]
    predictions = yield from task_classify.classify(task, sequences)
    for position, prediction in enumerate(predictions):
        if not all(map(isfinite, prediction.probabilities.values())):
            raise QuestionError("no probability comes out: send numbers nearer to those it was trained on", where=("sequences", position))
    return {"predictions": predictions}

"""Any model the same way: instances in, predictions out, as KServe v1 and TensorFlow Serving spell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from service.api import classify, examples, forecast, next_word
from service.api.body import Body, refusal
from service.api.deps import Version, model_of, timeout_s
from service.api.hot_route import HotRoute
from service.api.problem import QUESTION_ERRORS, documented
from service.contract.manifest import ClassifyTask, ForecastTask, Manifest, NextWordTask
from service.errors import BadQuestion
from service.tasks.dialogue import Dialogue, QuestionError
from service.tasks.language import Language

MAX_INSTANCES = 1000
MAX_TEXTS = 100
"""Instances of a next-word model, each of which may run its graph for every word."""


class PredictBody(Body):
    """Questions to a model, of whatever task it has."""

    instances: list[Any] = Field(
        min_length=1,
        max_length=MAX_INSTANCES,
        description="For a forecaster: objects as in `series` of a forecast. For a next-word model: texts, or bodies of its own route. "
        "For a classifier: sequences.",
    )


class PredictAnswer(BaseModel, defer_build=True):
    """Answers in the order of the instances."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PREDICT_ANSWER]})

    model: str = Field(description="Model that answered.")
    version: int = Field(description="Its version.")
    predictions: list[dict[str, Any]] = Field(description="One for each instance, as an element of the answer of the model's own route.")


router = APIRouter(route_class=HotRoute, tags=["Ask"])

_Name = Annotated[str, Path(description="A model's name.", openapi_examples=examples.names(examples.PREDICT))]
_Question = Annotated[PredictBody, BodyParameter(openapi_examples=examples.bodies(examples.PREDICT))]


@router.post(
    "/v1/models/{name}:predict",
    response_model=PredictAnswer,
    summary="Ask any model",
    response_description="A prediction for each instance, in their order.",
    responses=documented(QUESTION_ERRORS),
)
async def predict(request: Request, body: _Question, name: _Name) -> dict[str, Any]:
    """One prediction for each instance, whatever the task of the model."""
    return await _answer(request, body, name, None)


@router.post(
    "/v1/models/{name}/versions/{version}:predict",
    response_model=PredictAnswer,
    summary="Ask one version of any model",
    response_description="A prediction for each instance, in their order.",
    responses=documented(QUESTION_ERRORS),
)
async def predict_with_version(request: Request, body: _Question, name: _Name, version: Version) -> dict[str, Any]:
    """The same with the version that the path says."""
    return await _answer(request, body, name, version)


def instances_dialogue(manifest: Manifest, language: Language | None, instances: Sequence[Any]) -> Dialogue[list[Any]]:
    """What the model is run on for these instances, as JSON has them; returns one prediction for each, ready for JSON.

    Raises:
        BadQuestion: an instance of the wrong shape.
        QuestionError: from the dialogue, where the model cannot answer.
    """
    match manifest.task:
        case ForecastTask():
            series = _parsed(forecast.ForecastBody, {"series": list(instances)})
            return _renamed(forecast.dialogue(manifest, language, series), lambda answer: answer["forecasts"])
        case ClassifyTask():
            sequences = _parsed(classify.ClassifyBody, {"sequences": list(instances)})
            return _renamed(classify.dialogue(manifest, language, sequences), lambda answer: answer["predictions"])
        case NextWordTask():
            if len(instances) > MAX_TEXTS:
                message = f"{len(instances)} instances: at most {MAX_TEXTS} of a next-word model in one request"
                raise BadQuestion(f"instances: {message}", errors=[{"where": ["instances"], "message": message}])
            texts = [_text(instance, position) for position, instance in enumerate(instances)]
            return _in_turn(next_word.dialogue(manifest, language, text) for text in texts)


async def _answer(request: Request, body: PredictBody, name: str, version: int | None) -> dict[str, Any]:
    model = model_of(request, name, version)
    predictions = await model.ask(instances_dialogue(model.manifest, model.language, body.instances), timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, "predictions": predictions}


M = TypeVar("M", bound=BaseModel)


def _parsed(model: type[M], data: dict[str, list[Any]]) -> M:
    """A body made of instances; positions in errors lead into `instances`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise refusal(model, error, at=("instances",), skip=1) from error


def _text(instance: object, position: int) -> next_word.NextWordBody:
    try:
        return next_word.NextWordBody.model_validate({"text": instance} if isinstance(instance, str) else instance)
    except ValidationError as error:
        raise refusal(next_word.NextWordBody, error, at=("instances", position)) from error


def _renamed(dialogue: Dialogue[dict[str, Any]], answers: Callable[[dict[str, Any]], list[Any]]) -> Dialogue[list[Any]]:
    try:
        return answers((yield from dialogue))
    except QuestionError as error:
        raise QuestionError(error.message, where=("instances", *error.where[1:])) from error


def _in_turn(dialogues: Iterable[Dialogue[dict[str, Any]]]) -> Dialogue[list[Any]]:
    answers = []
    for position, dialogue in enumerate(dialogues):
        try:
            answers.append((yield from dialogue))
        except QuestionError as error:
            raise QuestionError(error.message, where=("instances", position, *error.where)) from error
    return answers

"""Any model the same way: instances in, predictions out, as KServe v1 and TensorFlow Serving spell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from service.api import classify, examples, forecast, next_word
from service.api.body import Body, Where, refusal, summary
from service.api.deps import Version, model_of, timeout_s
from service.api.hot_route import HotRoute
from service.api.problem import QUESTION_ERRORS, documented
from service.contract.manifest import ClassifyTask, ForecastTask, Manifest, NextWordTask
from service.errors import BadQuestion, MalformedBody
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
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="What else the model's own route takes, for all instances: `horizon`, `level`, `aggregate`, ... of a forecast; "
        "`top_k`, `words`, ... of next words, where an instance does not say them itself.",
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


_NO_PARAMETERS: Mapping[str, Any] = {}


def instances_dialogue(
    manifest: Manifest, language: Language | None, instances: Sequence[Any], parameters: Mapping[str, Any] = _NO_PARAMETERS
) -> Dialogue[list[Any]]:
    """What the model is run on for these instances, as JSON has them; returns one prediction for each, ready for JSON.

    Raises:
        BadQuestion: an instance or a parameter of the wrong shape.
        QuestionError: from the dialogue, where the model cannot answer.
    """
    match manifest.task:
        case ForecastTask():
            series = _parsed(forecast.ForecastBody, "series", instances, parameters)
            return _renamed(forecast.dialogue(manifest, language, series), "series", answers="forecasts")
        case ClassifyTask():
            sequences = _parsed(classify.ClassifyBody, "sequences", instances, parameters)
            return _renamed(classify.dialogue(manifest, language, sequences), "sequences", answers="predictions")
        case NextWordTask():
            if len(instances) > MAX_TEXTS:
                message = f"{len(instances)} instances: at most {MAX_TEXTS} of a next-word model in one request"
                raise BadQuestion(f"instances: {message}", errors=[{"where": ["instances"], "message": message}])
            texts = [_text(instance, position, parameters) for position, instance in enumerate(instances)]
            return _in_turn(next_word.dialogue(manifest, language, text) for text in texts)


async def _answer(request: Request, body: PredictBody, name: str, version: int | None) -> dict[str, Any]:
    model = model_of(request, name, version)
    question = instances_dialogue(model.manifest, model.language, body.instances, body.parameters)
    predictions = await model.ask(question, timeout_s(request))
    return {"model": model.manifest.name, "version": model.manifest.version, "predictions": predictions}


M = TypeVar("M", bound=BaseModel)


def _parsed(model: type[M], field: str, instances: Sequence[Any], parameters: Mapping[str, Any]) -> M:
    """A body of the model's own route, whose `field` the instances are."""
    if field in parameters:
        message = f"send what would be `{field}` as `instances`"
        raise BadQuestion(f"parameters.{field}: {message}", errors=[{"where": ["parameters", field], "message": message}])
    try:
        return model.model_validate({**parameters, field: list(instances)})
    except ValidationError as error:
        raise _refused(model, field, error) from error


def _refused(model: type[BaseModel], field: str, error: ValidationError) -> BadQuestion | MalformedBody:
    """The error to answer with, in which an instance that says what is asked of all is told where that goes."""
    refused = refusal(model, error, place=partial(_place, field))
    shared = model.model_fields.keys() - {field}
    told = [_told(one, shared) for one in refused.errors]
    return refused if told == refused.errors else BadQuestion(summary(told, total=error.error_count()), errors=told)


def _told(one: dict[str, Any], shared: Set[str]) -> dict[str, Any]:
    match one["where"]:
        case ["instances", int(), str(name)] if name in shared:
            return {**one, "message": f"`{name}` is asked of all instances at once: send it in `parameters`, beside `instances`"}
        case _:
            return one


def _place(field: str, where: Where) -> Where:
    """Where that lies which the model's own route has at `where`, the instances being its `field`."""
    return ("instances", *where[1:]) if where[:1] in ((), (field,)) else ("parameters", *where)


def _text(instance: object, position: int, parameters: Mapping[str, Any]) -> next_word.NextWordBody:
    own = {"text": instance} if isinstance(instance, str) else instance
    shared = parameters.keys() - own.keys() if isinstance(own, dict) else frozenset()

    def place(where: Where) -> Where:
        return ("parameters", *where) if where and where[0] in shared else ("instances", position, *where)

    try:
        return next_word.NextWordBody.model_validate({**parameters, **own} if isinstance(own, dict) else own)
    except ValidationError as error:
        raise refusal(next_word.NextWordBody, error, place=place) from error


def _renamed(dialogue: Dialogue[dict[str, Any]], field: str, *, answers: str) -> Dialogue[list[Any]]:
    try:
        found: list[Any] = (yield from dialogue)[answers]
    except QuestionError as error:
        raise QuestionError(error.message, where=_place(field, error.where)) from error
    return found


def _in_turn(dialogues: Iterable[Dialogue[dict[str, Any]]]) -> Dialogue[list[Any]]:
    answers = []
    for position, dialogue in enumerate(dialogues):
        try:
            answers.append((yield from dialogue))
        except QuestionError as error:
            raise QuestionError(error.message, where=("instances", position, *error.where)) from error
    return answers

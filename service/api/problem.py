"""Errors on the wire: RFC 9457 `application/problem+json`; below /v2, /v1/timeseries and /openai as those protocols write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api.compat.openai_errors import PREFIX as OPENAI_PREFIX
from service.api.compat.openai_errors import openai_no_route, openai_response
from service.errors import (
    BadQuestion,
    BodyTooLarge,
    DeadlineExceeded,
    InferenceFailed,
    LabelNotFound,
    MalformedBody,
    ModelNotFound,
    QueueFull,
    ServiceError,
    ShuttingDown,
    UnreadCoding,
    VersionNotFound,
    WrongTask,
)

PROBLEM_TYPE = "application/problem+json"
OIP_PREFIX = "/v2"
TIMESERIES_PREFIX = "/v1/timeseries/"
NO_ROUTE = "no-route"

MODEL_ERRORS: tuple[type[ServiceError], ...] = (ModelNotFound, VersionNotFound, LabelNotFound)
QUESTION_ERRORS: tuple[type[ServiceError], ...] = (
    MalformedBody,
    *MODEL_ERRORS,
    BodyTooLarge,
    UnreadCoding,
    BadQuestion,
    QueueFull,
    InferenceFailed,
    LabelNotFound,
    ShuttingDown,
    DeadlineExceeded,
)
TASK_ERRORS: tuple[type[ServiceError], ...] = (*QUESTION_ERRORS, WrongTask)


class WrongPart(BaseModel, defer_build=True):
    """One part of a request that is wrong."""

    where: list[str | int] = Field(description="Way to it: names of fields and positions from 0.")
    message: str = Field(description="What is wrong, and what the model takes.")


class Problem(BaseModel, defer_build=True):
    """An error, after RFC 9457."""

    type: str = Field(description="Kind of the error: `urn:carousel:` and its name.")
    title: str = Field(description="Kind of the error, for people.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What is wrong here, and what to do.")
    errors: list[WrongPart] = Field(default_factory=list, description="The parts that are wrong, where that can be said.")


class OipError(BaseModel, defer_build=True):
    """An error of the Open Inference Protocol."""

    error: str = Field(description="What is wrong here, and what to do.")


class TimeSeriesFault(BaseModel, defer_build=True):
    """What is wrong, as KServe's time series protocol writes it."""

    code: str = Field(description="HTTP status.")
    message: str = Field(description="What is wrong here, and what to do.")
    param: str = Field(description="Way to the part that is wrong; empty where there is none.")
    type: str = Field(description="Kind of the error.")


class TimeSeriesError(BaseModel, defer_build=True):
    """An error of KServe's time series protocol."""

    error: TimeSeriesFault = Field(description="What is wrong.")


def error_response(error: ServiceError, *, path: str) -> Response:
    """The answer to a request for `path` that ended in `error`."""
    if speaks_oip(path):
        return Response(
            orjson.dumps({"error": error.detail}), oip_status(type(error)), headers=error.headers, media_type="application/json"
        )
    if path.startswith(OPENAI_PREFIX):
        return openai_response(error)
    if path.startswith(TIMESERIES_PREFIX):
        return _timeseries_response(error.status, error.detail, kind=error.slug, errors=error.errors, headers=error.headers)
    return problem_response(
        status=error.status, slug=error.slug, title=error.title, detail=error.detail, errors=error.errors, headers=error.headers
    )


def problem_response(
    *, status: int, slug: str, title: str, detail: str, errors: Sequence[dict[str, Any]] = (), headers: dict[str, str] | None = None
) -> Response:
    """One problem as a response."""
    problem: dict[str, Any] = {"type": f"urn:carousel:{slug}", "title": title, "status": status, "detail": detail}
    if errors:
        problem["errors"] = list(errors)
    return Response(orjson.dumps(problem), status, headers=headers, media_type=PROBLEM_TYPE)


def no_route_response(status: int, title: str, *, method: str, path: str, headers: dict[str, str] | None = None) -> Response:
    """The answer to a path that no route has (404), or a method that the path's routes have not (405)."""
    detail = f"{method} {path}: {title}; the routes are listed at /docs"
    if speaks_oip(path):
        return oip_response(status, detail, headers=headers)
    if path.startswith(OPENAI_PREFIX):
        return openai_no_route(status, detail, headers=headers)
    if path.startswith(TIMESERIES_PREFIX):
        return _timeseries_response(status, detail, kind=NO_ROUTE, headers=headers)
    return problem_response(status=status, slug=NO_ROUTE, title=title, detail=detail, headers=headers)


def oip_response(status: int, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """One error as the Open Inference Protocol writes it."""
    return Response(orjson.dumps({"error": detail}), status, headers=headers, media_type="application/json")


def speaks_oip(path: str) -> bool:
    """Whether errors of this path are written as the Open Inference Protocol does."""
    return path == OIP_PREFIX or path.startswith(OIP_PREFIX + "/")


def oip_status(error: type[ServiceError]) -> int:
    """Status of an error in the Open Inference Protocol, which knows one for bad input: 400."""
    return 400 if error is BadQuestion else error.status


def documented(errors: Sequence[type[ServiceError]]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of our own routes for these errors."""
    return _documented(errors, PROBLEM_TYPE, "Problem", oip=False)


def oip_documented(errors: Sequence[type[ServiceError]]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of the Open Inference Protocol's routes for these errors."""
    return _documented(errors, "application/json", "OipError", oip=True)


def timeseries_documented(errors: Sequence[type[ServiceError]]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of the time series protocol's routes for these errors."""
    return {status: {"description": told["description"], "model": TimeSeriesError} for status, told in documented(errors).items()}


def _timeseries_response(
    status: int, detail: str, *, kind: str, errors: Sequence[dict[str, Any]] = (), headers: dict[str, str] | None = None
) -> Response:
    param = ".".join(str(part) for part in errors[0]["where"]) if errors else ""
    fault = {"error": {"code": str(status), "message": detail, "param": param, "type": kind}}
    return Response(orjson.dumps(fault), status, headers=headers, media_type="application/json")


def _documented(errors: Sequence[type[ServiceError]], media_type: str, schema: str, *, oip: bool) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int, list[type[ServiceError]]] = {}
    for error in sorted(errors, key=lambda error: error.status):
        by_status.setdefault(oip_status(error) if oip else error.status, []).append(error)
    return {
        status: {
            "description": " / ".join(error.title for error in alike),
            "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": _example(alike[0], oip=oip)}},
        }
        for status, alike in sorted(by_status.items())
    }


def _example(error: type[ServiceError], *, oip: bool) -> dict[str, Any]:
    detail = (error.__doc__ or "").partition("\n")[0]
    return (
        {"error": detail} if oip else {"type": f"urn:carousel:{error.slug}", "title": error.title, "status": error.status, "detail": detail}
    )

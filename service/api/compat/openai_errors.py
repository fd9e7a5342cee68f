"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`, and whether they ask again by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.errors import BadQuestion, LabelNotFound, ModelNotFound, QueueFull, ServiceError, VersionNotFound, WrongTask

PREFIX = "/openai/"
NO_RETRY = {"x-should-retry": "false"}
"""A client that reads this header takes the answer for the last word; without it, it asks again after 409, 429 and from 500 on."""

_STATUS: dict[type[ServiceError], int] = {BadQuestion: 400, WrongTask: 404}
"""Where OpenAI answers with another status than the service's own."""
_CODES: dict[type[ServiceError], str] = {
    ModelNotFound: "model_not_found",
    VersionNotFound: "model_not_found",
    LabelNotFound: "model_not_found",
    WrongTask: "model_not_found",
    BadQuestion: "invalid_value",
    QueueFull: "rate_limit_exceeded",
}
"""OpenAI's words, where it has one; others are the service's own."""


class OpenAiFault(BaseModel, defer_build=True):
    """What is wrong, as OpenAI writes it."""

    message: str = Field(description="What is wrong here, and what to do.")
    type: str = Field(description="`invalid_request_error`, `rate_limit_error` or `server_error`.")
    param: str | None = Field(description="Way to the field that is wrong; null where there is none.")
    code: str | None = Field(description="Kind of the error.")


class OpenAiError(BaseModel, defer_build=True):
    """An error of OpenAI's protocol."""

    error: OpenAiFault = Field(description="What is wrong.")


def openai_response(error: ServiceError) -> Response:
    """The answer to a request that ended in `error`; a client does not repeat what would be refused again."""
    status = _status(type(error))
    headers = {**error.headers, **(NO_RETRY if _kind(status) == "invalid_request_error" else {})}
    return Response(orjson.dumps(openai_fault(error)), status, headers=headers, media_type="application/json")


def openai_no_route(status: int, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """The answer where there is no such route, or it has no such method."""
    fault = _fault(detail, status=status, param=None, code="no_route")
    return Response(orjson.dumps(fault), status, headers={**(headers or {}), **NO_RETRY}, media_type="application/json")


def openai_fault(error: ServiceError) -> dict[str, Any]:
    """The same as the last event of a stream has it, whose status is sent already."""
    kind = type(error)
    param = ".".join(str(part) for part in error.errors[0]["where"]) if error.errors else ""
    if _CODES.get(kind) == "model_not_found":
        param = "model"
    return _fault(error.detail, status=_status(kind), param=param or None, code=_CODES.get(kind, error.slug.replace("-", "_")))


def openai_documented(errors: Sequence[type[ServiceError]]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of the protocol's routes for these errors."""
    titles: dict[int, dict[str, None]] = {}
    for error in sorted(errors, key=_status):
        titles.setdefault(_status(error), {})[error.title] = None
    return {status: {"description": " / ".join(alike), "model": OpenAiError} for status, alike in titles.items()}


def _status(error: type[ServiceError]) -> int:
    return _STATUS.get(error, error.status)


def _kind(status: int) -> str:
    if status == QueueFull.status:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _fault(message: str, *, status: int, param: str | None, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": _kind(status), "param": param, "code": code}}

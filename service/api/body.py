"""Request bodies: read up to a limit, parsed straight from bytes, refused with the position of what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from service.api.content_coding import decompressed
from service.api.whole_request import WholeRequest
from service.errors import BadQuestion, BodyTooLarge, MalformedBody

MAX_ERRORS = 20
"""Wrong parts named in one answer."""
MAX_COUNTED_ERRORS = 10_000
"""Wrong parts looked at: describing a million of them would hold up every other request."""

Where = tuple[str | int, ...]
Headers = Sequence[tuple[bytes, bytes]]
"""Of a request: names in lower case, as ASGI has them."""


class Body(BaseModel, defer_build=True):
    """Base of everything a caller sends: unknown fields, text for numbers, NaN and infinities are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def read(cls, data: bytes, headers: Headers) -> Self:  # noqa: ARG003 - a body that is not JSON alone is told so by a header
        """The body as this model; raises what `parse_body` raises."""
        return parse_body(cls, data)


B = TypeVar("B", bound=BaseModel)


async def read_body(scope: Scope, receive: Receive, whole: WholeRequest | None = None, *, limit: int, timeout_s: float) -> bytes:
    """The whole body, of at most `limit` bytes, whether its length was announced or not; nothing is read beyond the limit.

    Of a request that came `whole` nothing is waited for. A compressed body is decompressed, and what it becomes is held to the same limit.

    Raises:
        BodyTooLarge: more than that.
        MalformedBody: it did not arrive in time, or is not compressed as it says.
        UnreadCoding: it is compressed in a way that is not read here.
        ClientDisconnect: the caller hung up.
    """
    coding = b""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise BodyTooLarge(limit)
        if name == b"content-encoding":
            coding = value
    data = await _gathered(receive, limit, timeout_s) if whole is None else whole.body
    if len(data) > limit:
        raise BodyTooLarge(limit)
    return await decompressed(data, coding, limit=limit) if coding else data


def parse_body(model: type[B], data: bytes) -> B:
    """The body as `model`, whatever its content type says.

    Raises:
        MalformedBody: not JSON, or nested too deep.
        BadQuestion: JSON of another shape; its errors lead to the parts that are wrong.
    """
    try:
        return model.__pydantic_validator__.validate_json(data)  # type: ignore[no-any-return]  # a validator of `model` gives a `model`
    except ValidationError as error:
        raise refusal(model, error) from error


def refusal(
    model: type[BaseModel], error: ValidationError, *, place: Callable[[Where], Where] = lambda where: where
) -> BadQuestion | MalformedBody:
    """The error to answer with; `place` says where in the body lies what is at a position of `model`."""
    if error.error_count() > MAX_COUNTED_ERRORS:
        return BadQuestion(f"{error.error_count()} parts of the body are wrong: see the body's schema at /docs")
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return MalformedBody(f"the body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}")
    errors = [{"where": list(place(detail["loc"])), "message": _message(model, detail)} for detail in found[:MAX_ERRORS]]
    return BadQuestion(summary(errors, total=len(found)), errors=errors)


def summary(errors: Sequence[Mapping[str, Any]], *, total: int) -> str:
    """One line: the first error with its position, and how many more there are."""
    path = ".".join(str(part) for part in errors[0]["where"])
    more = f" (and {total - 1} more)" if total > 1 else ""
    return f"{path or 'the body'}: {errors[0]['message']}{more}"


async def _gathered(receive: Receive, limit: int, timeout_s: float) -> bytes:
    try:
        async with asyncio.timeout(timeout_s):
            return await _chunks(receive, limit)
    except TimeoutError as error:
        raise MalformedBody(f"the body did not arrive within {timeout_s:g} s: send it at once") from error


async def _chunks(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        if not message.get("more_body", False):
            return b"".join([*chunks, chunk]) if chunks else chunk
        chunks.append(chunk)


def _message(model: type[BaseModel], detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown field; the fields here are {', '.join(_fields_at(model, detail['loc'][:-1]))}"
        case "missing":
            return "this field is required"
        case "model_type" | "model_attributes_type":
            return "this should be an object"
        case "finite_number" if _may_be_null(model, detail["loc"]):
            return "this should be a finite number, or null where it is missing"
        case _:
            return detail["msg"].replace("Input should", "this should", 1)


def _fields_at(model: type[BaseModel], where: Where) -> list[str]:
    """Fields of the model that lies at `where`, a position inside `model`."""
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_within(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _may_be_null(model: type[BaseModel], where: Where) -> bool:
    """Whether the field at `where` holds numbers that may be missing."""
    annotation: object = None
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            model = _model_within(annotation) or model
    return _has_nulls(annotation)


def _has_nulls(annotation: object) -> bool:
    parts = get_args(annotation)
    return NoneType in parts if float in parts else any(_has_nulls(part) for part in parts)


def _model_within(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_within(part))), None)

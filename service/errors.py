"""Every way a request may fail, each with its HTTP status and its remedy.

Exception
├── StartupError             the service cannot start; exit code 2
└── ServiceError
    ├── MalformedBody        400  not JSON
    ├── RepositoryClosed     403  models are not loaded or unloaded on request here
    ├── PersonalWordsOff     403  no file for them was named (service.personal)
    ├── ModelNotFound        404
    ├── VersionNotFound      404
    ├── LabelNotFound        404
    ├── WrongTask            409  the model does something else
    ├── LoadFailed           409  what was served before still is
    ├── BodyTooLarge         413
    ├── UnreadCoding         415  a Content-Encoding that is not read here
    ├── BadQuestion          422  JSON, but nothing that this model answers
    ├── QueueFull            429  come back after `Retry-After` seconds, about when what waits now is done
    ├── InferenceFailed      500  the graph raised; the log says what
    ├── ShuttingDown         503  stopping, or not ready yet
    ├── PersonalWordsUnavailable 503  their file is locked, damaged or full (service.personal)
    ├── DeadlineExceeded     504
    └── WorkersBehind        504  some workers have loaded or unloaded a model, others not yet
"""

# ruff: noqa: N818 - the names say what happened, as the HTTP titles do; every one of them is a ServiceError

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from service.tasks.dialogue import QuestionError

MAX_RETRY_AFTER_S = 30
"""Nobody is sent away for longer."""


class StartupError(Exception):
    """The service cannot start: the message says what is wrong and what to do."""


class ServiceError(Exception):
    """A request that gets no answer.

    `detail` says what to do; `errors` holds {"where": [...], "message": ...} for each wrong part; `headers` go with the response.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "The request failed"
    slug: ClassVar[str] = "failed"

    def __init__(self, detail: str, *, errors: Sequence[dict[str, Any]] = (), headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers or {}


class MalformedBody(ServiceError):
    """The body cannot be read as what the route takes."""

    status = 400
    title = "The body cannot be read"
    slug = "malformed-body"


class ModelNotFound(ServiceError):
    """No model of this name is served."""

    status = 404
    title = "Unknown model"
    slug = "model-not-found"

    def __init__(self, name: str, *, available: Sequence[str]) -> None:
        known = f"served here: {', '.join(available)}" if available else "no model is served here: publish one and start again"
        super().__init__(f"no model {name!r}; {known}")


class VersionNotFound(ServiceError):
    """The model is served, but not in this version."""

    status = 404
    title = "Unknown version"
    slug = "version-not-found"

    def __init__(self, name: str, version: int | str, *, available: Sequence[int]) -> None:
        known = ", ".join(str(own) for own in available)
        super().__init__(f"no version {version} of {name!r}; served here: {known}")


class LabelNotFound(ServiceError):
    """The model is served, but this label names none of its versions."""

    status = 404
    title = "Unknown label"
    slug = "label-not-found"

    def __init__(self, name: str, label: str, *, available: Sequence[str]) -> None:
        known = f"its labels: {', '.join(available)}" if available else f"it has no labels: write them into {name}/labels.json"
        super().__init__(f"no label {label!r} of {name!r}; {known}")


class RepositoryClosed(ServiceError):
    """Models are neither loaded nor unloaded on request."""

    status = 403
    title = "The repository is closed"
    slug = "repository-closed"

    def __init__(self) -> None:
        super().__init__("models are not loaded or unloaded on request: start the service with --repository-mode explicit, or poll")


class LoadFailed(ServiceError):
    """A model was asked for and not all of it could be loaded; what was served before still is."""

    status = 409
    title = "The model was not loaded"
    slug = "load-failed"

    def __init__(self, name: str, reason: str, *, served: Sequence[int]) -> None:
        still = f"still served: {', '.join(str(version) for version in served)}" if served else "nothing of it is served"
        super().__init__(f"{name!r} was not loaded: {reason} ({still})")


class WrongTask(ServiceError):
    """The model does something else; `route` is the one it has."""

    status = 409
    title = "The model does something else"
    slug = "wrong-task"

    def __init__(self, name: str, *, kind: str, route: str) -> None:
        super().__init__(f"{name!r} is a {kind} model: ask POST {route}")


class BodyTooLarge(ServiceError):
    """The body is over the limit, which is in bytes."""

    status = 413
    title = "The body is too large"
    slug = "body-too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is over {limit} bytes: send less in one request, or start the service with a larger --max-body-bytes")


class UnreadCoding(ServiceError):
    """The body has a `Content-Encoding` that is not read here."""

    status = 415
    title = "The body's coding is not read here"
    slug = "unread-coding"

    def __init__(self, coding: str, *, remedy: str = "send gzip, deflate, zstd or none") -> None:
        super().__init__(f"content encoding {coding!r} is not read here: {remedy}")


class BadQuestion(ServiceError):
    """JSON, but not a question that this model answers; `errors` lead to the parts that are wrong."""

    status = 422
    title = "The model cannot answer this"
    slug = "bad-question"

    @classmethod
    def of(cls, error: QuestionError) -> BadQuestion:
        """The same, as an error of the service."""
        path = ".".join(str(part) for part in error.where)
        detail = f"{path}: {error.message}" if path else error.message
        return cls(detail, errors=[{"where": list(error.where), "message": error.message}])


class QueueFull(ServiceError):
    """More work is queued than the bound allows.

    `wait_s` is how long what is queued will take.
    """

    status = 429
    title = "Too many requests"
    slug = "queue-full"

    def __init__(self, name: str, *, queued_rows: int, limit_rows: int, wait_s: float = 0.0) -> None:
        retry_after_s = min(max(math.ceil(wait_s), 1), MAX_RETRY_AFTER_S)
        super().__init__(
            f"{queued_rows} rows wait for {name!r} and {limit_rows} may: send this again after {retry_after_s} s",
            headers={"Retry-After": str(retry_after_s)},
        )


class InferenceFailed(ServiceError):
    """The graph raised; what it said is in the log, not in the answer."""

    status = 500
    title = "The model failed"
    slug = "inference-failed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} failed on this request; the service's log says why")


class ShuttingDown(ServiceError):
    """The service is stopping, or has not loaded its models yet."""

    status = 503
    title = "Not ready"
    slug = "not-ready"

    def __init__(self, detail: str = "the service is stopping: send this to another replica, or again later") -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class DeadlineExceeded(ServiceError):
    """The answer was not there in time."""

    status = 504
    title = "Too late"
    slug = "deadline-exceeded"

    def __init__(self, name: str, *, timeout_s: float) -> None:
        super().__init__(f"{name!r} did not answer within {timeout_s:g} s: send less at once, send it later, or raise the timeout")


class WorkersBehind(ServiceError):
    """Some workers have loaded or unloaded a model, and others, whose `processes` these are, not yet."""

    status = 504
    title = "Not all workers have followed"
    slug = "workers-behind"

    def __init__(self, name: str, processes: Sequence[int], *, timeout_s: float) -> None:
        behind = ", ".join(str(process) for process in processes)
        super().__init__(
            f"not every worker has changed {name!r} within {timeout_s:g} s, process {behind} not yet: look at /v2/repository/index"
        )

from __future__ import annotations

import pytest

from service.errors import (
    BadQuestion,
    BodyTooLarge,
    DeadlineExceeded,
    InferenceFailed,
    MalformedBody,
    ModelNotFound,
    QueueFull,
    ServiceError,
    ShuttingDown,
    UnreadCoding,
    VersionNotFound,
    WrongTask,
)
from service.tasks.dialogue import QuestionError


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (MalformedBody("not JSON"), 400, "not JSON"),
        (ModelNotFound("a", available=["b", "c"]), 404, "no model 'a'; served here: b, c"),
        (ModelNotFound("a", available=[]), 404, "no model 'a'; no model is served here: publish one and start again"),
        (VersionNotFound("a", 3, available=[1, 2]), 404, "no version 3 of 'a'; served here: 1, 2"),
        (WrongTask("a", kind="classify", route="/v1/models/a/classify"), 409, "'a' is a classify model: ask POST /v1/models/a/classify"),
        (BodyTooLarge(10), 413, "the body is over 10 bytes: send less in one request, or start the service with a larger --max-body-bytes"),
        (UnreadCoding("br"), 415, "content encoding 'br' is not read here: send gzip, deflate, zstd or none"),
        (BadQuestion("wrong"), 422, "wrong"),
        (QueueFull("a", queued_rows=9, limit_rows=10), 429, "9 rows wait for 'a' and 10 may: send this again after 1 s"),
        (InferenceFailed("a"), 500, "'a' failed on this request; the service's log says why"),
        (ShuttingDown(), 503, "the service is stopping: send this to another replica, or again later"),
        (
            DeadlineExceeded("a", timeout_s=1.5),
            504,
            "'a' did not answer within 1.5 s: send less at once, send it later, or raise the timeout",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ServiceError) else "",
)
def test_an_error_knows_its_status_and_its_remedy(error: ServiceError, status: int, detail: str):
    assert (error.status, error.detail, str(error)) == (status, detail, detail)


def test_errors_have_slugs_of_their_own():
    kinds = ServiceError.__subclasses__()

    assert len({kind.slug for kind in kinds}) == len(kinds)


def test_those_that_pass_say_when_to_come_back():
    assert ShuttingDown().headers == {"Retry-After": "1"}
    assert QueueFull("a", queued_rows=1, limit_rows=1, wait_s=4.2).headers == {"Retry-After": "5"}


def test_a_question_that_is_wrong_as_a_whole_has_no_path():
    error = BadQuestion.of(QuestionError("too long"))

    assert error.detail == "too long"
    assert error.errors == [{"where": [], "message": "too long"}]

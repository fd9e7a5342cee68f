"""How a request for a user's words may fail."""

# ruff: noqa: N818 - as service/errors.py, the names say what happened

from __future__ import annotations

from service.errors import ServiceError


class PersonalWordsOff(ServiceError):
    """No file for personal words was named."""

    status = 403
    title = "Personal words are off"
    slug = "personal-words-off"

    def __init__(self) -> None:
        super().__init__("no words of users are kept here: start the service with --personal-words FILE, or leave `user` out")


class PersonalWordsUnavailable(ServiceError):
    """The file of personal words cannot be used at the moment; suggestions go on without it."""

    status = 503
    title = "Personal words are not available"
    slug = "personal-words-unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})

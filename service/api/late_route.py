"""A route that FastAPI takes apart when it is first asked or documented: for all of them that takes longer than loading a model."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import compile_path

_COMPLETING = threading.RLock()


class LateRoute(APIRoute):
    """Knows from the start what it answers to; the other attributes of an APIRoute are there once one of them is read."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **described: Any) -> None:  # noqa: ANN401 - what FastAPI has of a route
        self.path, self.endpoint = path, endpoint
        path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.path_regex = _any_text(path_regex)
        self.methods = set(described["methods"])
        self._described: dict[str, Any] | None = described

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the attribute has it
        """An attribute that is not there yet."""
        with _COMPLETING:
            described, self._described = self.__dict__.get("_described"), None
            if described is not None:
                super().__init__(self.path, self.endpoint, **described)
                self.path_regex = _any_text(self.path_regex)
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}") from None


def _any_text(path_regex: re.Pattern[str]) -> re.Pattern[str]:
    """The same, with line ends in the last parts of a path, too: an id of a user or of a sequence may be any text."""
    return re.compile(path_regex.pattern, re.DOTALL)

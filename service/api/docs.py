"""/docs and /redoc with their scripts and styles served from here, so that they work without internet; and the text of /openapi.json."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from service.api.problem import OipError, Problem
from service.errors import StartupError

TITLE = "Carousel"
STATIC_URL = "/docs/static"
REDOC_SCRIPT = "redoc.standalone.js"
REDOC_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"
"""The one thing that Redoc's script would fetch from outside."""

DESCRIPTION = """
Forecasts, next words and labels by small recurrent networks (LSTM, GRU, RNN), over HTTP.

**First steps**

1. `GET /v1/models` says which models are served here, what each one takes and how good it is.
2. Open a route of **Ask** below, choose an example and press *Execute*: every example runs as it stands against the model it names.
3. Or from a shell:

```
curl -s localhost:8000/v1/models/next-word-en/next-word -d '{"text": "the old prince looked at "}'
```

**Good to know**

- Numbers go in and come out in the units of your data; `null` is a missing value.
- Bodies are read as JSON whatever their content type says. Unknown fields are refused, so that a misspelt one is noticed.
- Errors are problems after RFC 9457: `detail` says what to do and `errors` where. Below `/v2` they are `{"error": ...}`.
- Several series, sequences or requests at once are run together. When too many wait, the answer is 429 with `Retry-After`.
- Every answer of a model says in `X-Model-Version` which version gave it; `X-Request-Timeout-Ms` says how long you wait for one.
- Every answer carries the `X-Request-ID` that you sent, or one made for it; the log names it where a request made the service fail.
"""

TAGS = [
    {
        "name": "Ask",
        "description": "Questions to a model. The newest version answers, or the one that the path says by number or `name@label`.",
    },
    {"name": "Personal words", "description": "What users of next-word models have written; needs the setting `personal_words`."},
    {"name": "Models", "description": "Which models are served, what they take and how good they are."},
    {
        "name": "Open Inference Protocol",
        "description": "The same models for clients that speak tensors: version 2 of the protocol of KServe and Triton.",
    },
    {
        "name": "Compatibility",
        "description": "Models for clients of others: TimeGPT's client `nixtla`, KServe's time series protocol, OpenAI's completions.",
    },
    {"name": "Health", "description": "For load balancers and for Prometheus."},
]


def add_docs(app: FastAPI, *, complete: Callable[[], None]) -> None:
    """Give `app` its /docs, /redoc and the schema that they show; `complete` adds the routes that are not there from the start."""
    app.openapi = cache(lambda: _openapi(app, complete))  # type: ignore[method-assign]  # the way FastAPI documents to change the schema
    app.add_route("/docs", _swagger, include_in_schema=False)
    app.add_route("/redoc", _redoc, include_in_schema=False)
    app.add_route(f"{STATIC_URL}/{REDOC_SCRIPT}", _redoc_script, include_in_schema=False)
    app.mount(STATIC_URL, StaticFiles(directory=_static_folder()), name="docs-static")


def _openapi(app: FastAPI, complete: Callable[[], None]) -> dict[str, Any]:
    complete()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The 'alias' attribute")  # as FastAPI does, where nothing is built as late as here
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags)
    _, errors = models_json_schema([(Problem, "serialization"), (OipError, "serialization")], ref_template="#/components/schemas/{model}")
    schema["components"]["schemas"].update(errors["$defs"])
    return schema


async def _swagger(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title=TITLE,
        swagger_js_url=f"{root}{STATIC_URL}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{STATIC_URL}/swagger-ui.css",
        swagger_favicon_url=f"{root}{STATIC_URL}/favicon.png",
        swagger_ui_parameters={
            "validatorUrl": None,
            "defaultModelsExpandDepth": 0,
            "displayRequestDuration": True,
            "tryItOutEnabled": True,
        },
    )


async def _redoc(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    return get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title=TITLE,
        redoc_js_url=f"{root}{STATIC_URL}/{REDOC_SCRIPT}",
        redoc_favicon_url=f"{root}{STATIC_URL}/favicon.png",
        with_google_fonts=False,
    )


async def _redoc_script(_request: Request) -> Response:
    return Response(_local_redoc(), media_type="text/javascript")


@cache
def _local_redoc() -> str:
    script = (_static_folder() / REDOC_SCRIPT).read_text(encoding="utf-8")
    return script.replace(REDOC_LOGO, "data:,")


def _static_folder() -> Path:
    """Scripts and styles that fastapi_offline carries; importing it would build pages that are not used."""
    package = importlib.util.find_spec("fastapi_offline")
    if package is None or package.origin is None:
        raise StartupError("fastapi-offline is not installed: the docs pages need it, `pip install fastapi-offline`")
    return Path(package.origin).parent / "static"

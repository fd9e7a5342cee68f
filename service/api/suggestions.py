"""Search suggestions as browsers ask for them, and the description by which they learn where.

OpenSearch 1.1 and its extension for suggestions: https://github.com/dewitt/opensearch
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.openapi.models import Example
from starlette.requests import Request
from starlette.responses import Response

from service.api import examples
from service.api.deps import model_of, timeout_s
from service.api.disconnect import DisconnectWatch
from service.api.late_route import LateRoute
from service.api.problem import MODEL_ERRORS, documented
from service.api.writing import language_of
from service.errors import BadQuestion, DeadlineExceeded, InferenceFailed, QueueFull, ShuttingDown, WrongTask
from service.tasks.queries import queries

SUGGESTIONS_TYPE = "application/x-suggestions+json"
DESCRIPTION_TYPE = "application/opensearchdescription+xml"
TERMS = "{searchTerms}"
"""Stands for what was typed, in templates of addresses."""
MAX_QUERY = 2000
MAX_SHORT_NAME = 16
"""Characters of a search engine's name, says OpenSearch."""

router = APIRouter(route_class=LateRoute, tags=["Ask"])

_Name = Annotated[str, Path(description="A next-word model's name.", openapi_examples=examples.names(examples.NEXT_WORD))]
_Typed = Annotated[
    str,
    Query(
        max_length=MAX_QUERY,
        description="What was typed so far; where it does not end in a space, its last word is completed.",
        openapi_examples={"first": Example(value="the old pri")},
    ),
]
_Limit = Annotated[int, Query(ge=1, le=20, description="Most queries.", openapi_examples={"first": Example(value=8)})]
_Words = Annotated[
    int,
    Query(ge=1, le=5, description="Words ahead in the longest of them; 1: no more than one.", openapi_examples={"first": Example(value=3)}),
]
_Search = Annotated[
    str,
    Query(
        max_length=1000,
        pattern=r"^https?://[!-~]*\{searchTerms\}[!-~]*$",
        description=f"Address at which the browser is to search, with `{TERMS}` for what was typed.",
        openapi_examples={"first": Example(value=f"https://en.wikipedia.org/w/index.php?search={TERMS}")},
    ),
]
_suggestions: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What was typed, and whole queries that it may become, likeliest first.",
        "content": {
            SUGGESTIONS_TYPE: {
                "schema": {"type": "array", "minItems": 2, "maxItems": 2},
                "example": ["the old pri", ["the old prince", "the old prisoner", "the old prince looked at"]],
            }
        },
    },
    **documented((*MODEL_ERRORS, WrongTask, BadQuestion, QueueFull, InferenceFailed, ShuttingDown, DeadlineExceeded)),
}
_description: dict[int | str, dict[str, Any]] = {
    200: {"description": "An OpenSearch description.", "content": {DESCRIPTION_TYPE: {"schema": {"type": "string"}}}},
    **documented((*MODEL_ERRORS, WrongTask, BadQuestion)),
}


@router.get("/v1/models/{name}/suggestions", response_class=Response, summary="Search suggestions", responses=_suggestions)
async def suggestions(request: Request, name: _Name, q: _Typed, limit: _Limit = 8, words: _Words = 3) -> Response:
    """What somebody may be about to search for, as browsers ask for it. Words that suggestions leave out are left out here."""
    model = model_of(request, name)
    with DisconnectWatch(request.receive):  # who types on asks again and hangs up
        found = await model.ask(queries(language_of(model), q, limit=limit, words=words), timeout_s(request))
    return Response(orjson.dumps([q, found]), media_type=SUGGESTIONS_TYPE)


@router.get(
    "/v1/models/{name}/opensearch.xml", response_class=Response, summary="Search suggestions: for a browser", responses=_description
)
async def description(request: Request, name: _Name, search: _Search) -> Response:
    """A search engine for a browser to install: it searches at your address, and what it suggests comes from this model.

    A page has it found by `<link rel="search" type="application/opensearchdescription+xml" title="..." href="...">`.
    """
    language_of(model_of(request, name))
    typed = f"{request.base_url}v1/models/{quote(name)}/suggestions?q={TERMS}"
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
  <ShortName>{name[:MAX_SHORT_NAME]}</ShortName>
  <Description>Search with suggestions by {name}</Description>
  <InputEncoding>UTF-8</InputEncoding>
  <Url type="text/html" method="get" template={quoteattr(search)}/>
  <Url type="{SUGGESTIONS_TYPE}" method="get" template={quoteattr(typed)}/>
</OpenSearchDescription>
"""
    return Response(text, media_type=DESCRIPTION_TYPE)

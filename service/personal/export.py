"""What was learned of a user as lines of JSON, which another service, or the same one later, takes in again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.contract.forms import lower
from service.contract.tokenizer import WORD_PATTERN
from service.errors import BadQuestion
from service.personal.dictionary import Entry
from service.personal.hearing import MAX_BEFORE
from service.personal.private import MAX_LETTERS, may_be_learned

MEDIA_TYPE = "application/x-ndjson"
MAX_COUNT = 1_000_000_000
_WORD = re.compile(WORD_PATTERN)


class Line(BaseModel):
    """One word of an export: behind which words, as it is written, how often it was learned."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    before: tuple[str, ...] = Field(default=(), max_length=MAX_BEFORE, strict=False)
    word: str = Field(min_length=1, max_length=2 * MAX_LETTERS)
    count: int = Field(ge=1, le=MAX_COUNT)


def exported(entries: Iterable[Entry]) -> bytes:
    """Entries as lines: `{"before":["dear"],"word":"Bob","count":2}`, without `before` where there is none."""
    lines = ({**({"before": entry.before} if entry.before else {}), "word": entry.form, "count": entry.count} for entry in entries)
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def imported(data: bytes) -> tuple[list[Entry], int]:
    """Entries of lines, and how many lines were passed over as nothing of the kind is learned (`private.may_be_learned`).

    Raises:
        BadQuestion: a line that is no such entry; the message has its number.
    """
    entries: list[Entry] = []
    passed_over = 0
    for line in _lines(data):
        words = [lower(word) for word in (*line.before, line.word)]
        if all(_WORD.fullmatch(word) and word[0].isalpha() and may_be_learned(word) for word in words) and may_be_learned(line.word):
            entries.append(Entry(tuple(words[:-1]), words[-1], unicodedata.normalize("NFC", line.word), line.count))
        else:
            passed_over += 1
    return entries, passed_over


def _lines(data: bytes) -> Iterator[Line]:
    for number, text in enumerate(data.splitlines(), 1):
        if not text.strip():
            continue
        try:
            yield Line.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            message = f"line {number}: {place + ': ' if place else ''}{first['msg']}; send the lines of an export"
            raise BadQuestion(message, errors=[{"where": ["line", number, *first["loc"]], "message": first["msg"]}]) from error

"""What the file knows of a user: evidence for the next word, the words in alphabetical order, and all of it for an export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.contract.forms import lower
from service.contract.jamo import typed_letters
from service.personal.evidence import Evidence, Known

if TYPE_CHECKING:
    import sqlite3  # `Owner` is asked for where no file is named, too

MOST_USED = 100
"""Words behind a context that are taken as evidence."""
_AFTER_ALL = "\U0010ffff"
"""Comes after every letter."""
_MOST_USED = """
SELECT word, form, count FROM grams
WHERE user = ? AND before1 = ? AND before2 = ? AND letters >= ? AND letters < ? ORDER BY count DESC, used DESC LIMIT ?
"""
_SUMS = """
SELECT sum(count), count(*) FROM grams WHERE user = ? AND before1 = ? AND before2 = ? AND letters >= ? AND letters < ?
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose words: a user of one model, by an id that is kept as it is given."""

    model: str
    user: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A word, lower-case and as it is written, behind up to two words before it, in the order of the text; and how often it was learned."""

    before: tuple[str, ...]
    word: str
    form: str
    count: int


Row = tuple[str, str | None, int]
FIRST = Entry((), "", "", 0)
"""Stands before all entries."""


def user_number(connection: sqlite3.Connection, owner: Owner) -> int | None:
    """The user's number in the file; None for one of whom nothing was learned."""
    found = connection.execute("SELECT id FROM users WHERE model = ? AND name = ?", (owner.model, owner.user)).fetchone()
    return None if found is None else int(found[0])


def known(connection: sqlite3.Connection, owner: Owner, before: Sequence[str], typed: str) -> Known:
    """What a user writes behind these words, the nearest first, beginning with the letters `typed` in lower case."""
    number = user_number(connection, owner)
    if number is None:
        return Known()
    levels: list[Evidence] = []
    forms: dict[str, str] = {}
    for length in range(len(before) + 1):
        rows, evidence = _behind(connection, (number, *before[:length], *[""] * (2 - length)), typed_letters(typed))
        if not evidence.total:
            break
        levels.append(evidence)
        forms |= {word: form for word, form, _ in rows if form is not None}
    return Known(tuple(levels), forms)


def words_page(connection: sqlite3.Connection, owner: Owner, after: str, limit: int) -> list[Entry]:
    """Words of a user in the order of their letters, behind the word `after`."""
    found = connection.execute(
        "SELECT word, coalesce(form, word), count FROM grams"
        " WHERE user = ? AND before1 = '' AND before2 = '' AND (letters, word) > (?, ?) ORDER BY letters, word LIMIT ?",
        (user_number(connection, owner), typed_letters(lower(after)), lower(after), limit),
    )
    return [Entry((), *row) for row in found]


def entries(connection: sqlite3.Connection, owner: Owner, after: Entry, limit: int) -> list[Entry]:
    """Everything that was learned of a user, behind the entry `after`: words, then pairs and triples."""
    before1, before2 = (*reversed(after.before), "", "")[:2]
    found = connection.execute(
        "SELECT before1, before2, word, coalesce(form, word), count FROM grams"
        " WHERE user = ? AND (before1, before2, letters, word) > (?, ?, ?, ?) ORDER BY before1, before2, letters, word LIMIT ?",
        (user_number(connection, owner), before1, before2, typed_letters(after.word), after.word, limit),
    )
    return [Entry(tuple(filter(None, (second, first))), *row) for first, second, *row in found]


def _behind(connection: sqlite3.Connection, context: tuple[int | str, ...], letters: str) -> tuple[list[Row], Evidence]:
    """Rows of the most used words of a context that begin with these letters, and all of them added up."""
    chosen = (*context, letters, letters + _AFTER_ALL)
    rows = connection.execute(_MOST_USED, (*chosen, MOST_USED)).fetchall()
    total, different = sum(count for *_, count in rows), len(rows)
    if different == MOST_USED:
        total, different = connection.execute(_SUMS, chosen).fetchone()
    return rows, Evidence({word: count for word, _, count in rows}, total, different)

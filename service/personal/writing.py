"""Changes of the file of personal words: learn, restore, forget. Each is one transaction, and what is too much goes at its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from service.contract.jamo import typed_letters
from service.personal.database import transaction
from service.personal.dictionary import Entry, Owner, user_number
from service.personal.hearing import Gram

PHRASES_PER_WORD = 4
"""Pairs and triples that are kept for each word that may be."""
SHARE_THAT_GOES = 10
"""Where there are too many words, one in so many goes, so that new ones have time to be used again."""
_LOOK_EVERY = 64
"""Single words are learned so often between two looks at how many there are."""
_KEEP = """
INSERT INTO grams (user, before1, before2, letters, word, form, count, used) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (user, before1, before2, letters, word) DO UPDATE SET used = excluded.used,
"""
_LEARN = _KEEP + "count = count + 1, form = CASE WHEN ? THEN excluded.form ELSE form END"
_RESTORE = _KEEP + "count = max(count, excluded.count), form = excluded.form"
_COUNT = "SELECT count(*) FROM grams WHERE user = ? AND (before1 <> '') = ?"
_DROP_LEAST_USED = """
DELETE FROM grams WHERE user = ? AND (before1, before2, letters, word) IN (
    SELECT before1, before2, letters, word FROM grams WHERE user = ? AND (before1 <> '') = ? ORDER BY count, used LIMIT ?
)
"""
_DROP_PHRASES_OF_OTHERS = """
WITH words AS (SELECT word FROM grams WHERE user = :user AND before1 = '')
DELETE FROM grams WHERE user = :user AND before1 <> ''
AND (word NOT IN words OR before1 NOT IN words OR (before2 <> '' AND before2 NOT IN words))
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept: words of each user, users, and bytes of the file in all."""

    words: int = 10_000
    users: int = 10_000
    bytes: int = 1_000_000_000


def learn(
    connection: sqlite3.Connection, owner: Owner, grams: Sequence[Gram], *, bounds: Bounds, now: float, text_hash: bytes | None = None
) -> int:
    """Count these grams once more; says how many words they are.

    With `text_hash`, of the text that ends with the only word, nothing is done where it is the same as the last time.
    """
    if not grams:
        return 0
    with transaction(connection):
        if text_hash is not None and _last_hash(connection, owner) == text_hash:
            return 0
        number, times = _user(connection, owner, now, bounds, text_hash)
        rows = []
        for gram in grams:
            heard = gram.heard
            form = heard.form if heard.telling and heard.form != heard.word else None
            rows.append((number, gram.before1, gram.before2, typed_letters(heard.word), heard.word, form, 1, times, heard.telling))
        connection.executemany(_LEARN, rows)
        words = sum(not gram.before1 for gram in grams)
        if words > 1 or times % _LOOK_EVERY == 0:
            _make_room(connection, number, bounds)
    return words


def restore(connection: sqlite3.Connection, owner: Owner, entries: Sequence[Entry], *, bounds: Bounds, now: float) -> int:
    """Keep entries of an export, each with the larger count of those it has and had; says how many words they are."""
    if not entries:
        return 0
    with transaction(connection):
        number, times = _user(connection, owner, now, bounds)
        rows = []
        for entry in entries:
            before1, before2 = (*reversed(entry.before), "", "")[:2]
            form = entry.form if entry.form != entry.word else None
            rows.append((number, before1, before2, typed_letters(entry.word), entry.word, form, entry.count, times))
        connection.executemany(_RESTORE, rows)
        _make_room(connection, number, bounds)
    return sum(not entry.before for entry in entries)


def forget(connection: sqlite3.Connection, owner: Owner, word: str) -> int:
    """Forget one word, lower-case, and all that was learned with it; says how many words went, 0 or 1."""
    with transaction(connection):
        number = user_number(connection, owner)
        words = connection.execute(
            "DELETE FROM grams WHERE user = ? AND before1 = '' AND letters = ? AND word = ?", (number, typed_letters(word), word)
        ).rowcount
        connection.execute("DELETE FROM grams WHERE user = ? AND (word = ? OR before1 = ? OR before2 = ?)", (number, word, word, word))
    _overwrite_log(connection)
    return words


def forget_all(connection: sqlite3.Connection, owner: Owner) -> int:
    """Forget a user; says how many words went."""
    with transaction(connection):
        number = user_number(connection, owner)
        words: int = connection.execute("SELECT count(*) FROM grams WHERE user = ? AND before1 = ''", (number,)).fetchone()[0]
        _remove(connection, number)
    _overwrite_log(connection)
    return words


def _last_hash(connection: sqlite3.Connection, owner: Owner) -> bytes | None:
    found = connection.execute("SELECT last FROM users WHERE model = ? AND name = ?", (owner.model, owner.user)).fetchone()
    return None if found is None else found[0]


def _user(connection: sqlite3.Connection, owner: Owner, now: float, bounds: Bounds, text_hash: bytes | None = None) -> tuple[int, int]:
    """The user's number, and how often something was learned of this one, this time included."""
    if user_number(connection, owner) is None:
        users: int = connection.execute("SELECT count(*) FROM users").fetchone()[0]
        for _ in range(users - bounds.users + 1):
            _remove(connection, _longest_silent(connection))
        connection.execute("INSERT INTO users (model, name, learned_at) VALUES (?, ?, ?)", (owner.model, owner.user, now))
    connection.execute(
        "UPDATE users SET learned_at = ?, times = times + 1, last = coalesce(?, last) WHERE model = ? AND name = ?",
        (now, text_hash, owner.model, owner.user),
    )
    number, times = connection.execute("SELECT id, times FROM users WHERE model = ? AND name = ?", (owner.model, owner.user)).fetchone()
    return number, times


def _make_room(connection: sqlite3.Connection, number: int, bounds: Bounds) -> None:
    """Let go the least used words and phrases of a user where there are too many, and other users where the file is too large."""
    if _drop_least_used(connection, number, phrases=False, at_most=bounds.words):
        connection.execute(_DROP_PHRASES_OF_OTHERS, {"user": number})
    _drop_least_used(connection, number, phrases=True, at_most=bounds.words * PHRASES_PER_WORD)
    while _bytes_used(connection) > bounds.bytes:
        silent = _longest_silent(connection, but=number)
        if silent is None:
            break
        _remove(connection, silent)


def _drop_least_used(connection: sqlite3.Connection, number: int, *, phrases: bool, at_most: int) -> bool:
    """Whether there were more than `at_most` words, or phrases, so that the least used of them went."""
    found: int = connection.execute(_COUNT, (number, phrases)).fetchone()[0]
    if found <= at_most:
        return False
    connection.execute(_DROP_LEAST_USED, (number, number, phrases, found - at_most + at_most // SHARE_THAT_GOES))
    return True


def _longest_silent(connection: sqlite3.Connection, but: int | None = None) -> int | None:
    """The user of whom nothing was learned for the longest time."""
    found = connection.execute("SELECT id FROM users WHERE id IS NOT ? ORDER BY learned_at, id LIMIT 1", (but,)).fetchone()
    return None if found is None else int(found[0])


def _remove(connection: sqlite3.Connection, number: int | None) -> None:
    connection.execute("DELETE FROM grams WHERE user = ?", (number,))
    connection.execute("DELETE FROM users WHERE id = ?", (number,))


def _bytes_used(connection: sqlite3.Connection) -> int:
    """Of the file, pages that are free left out."""
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


def _overwrite_log(connection: sqlite3.Connection) -> None:
    """Take over the write-ahead log, in which what was forgotten still stood, and empty it; where readers hold it, it is done later."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

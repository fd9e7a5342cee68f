"""The SQLite file of personal words: opened by every worker, readable by its owner alone."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.personal.errors import PersonalWordsUnavailable

APPLICATION_ID = 0x6361726F
"""Marks the file as ours (`caro`)."""
SCHEMA_VERSION = 1
_MODE = 0o600
_SCHEMA = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    learned_at REAL NOT NULL,
    times INTEGER NOT NULL DEFAULT 0,
    last BLOB,
    UNIQUE (model, name)
);
CREATE TABLE grams (
    user INTEGER NOT NULL,
    before1 TEXT NOT NULL,
    before2 TEXT NOT NULL,
    letters TEXT NOT NULL,
    word TEXT NOT NULL,
    form TEXT,
    count INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (user, before1, before2, letters, word)
) WITHOUT ROWID;
"""
"""`times` counts what was learned for a user, `used` is its value when a gram was last learned; `letters` are the word's as typed."""


def open_database(path: Path, *, busy_s: float) -> sqlite3.Connection:
    """A connection in autocommit mode to the file, which is made where there is none; it waits `busy_s` for others that write.

    What is deleted is overwritten. A power cut may take the last words learned, and harms nothing else.

    Raises:
        sqlite3.Error, OSError: it cannot be opened.
        PersonalWordsUnavailable: it is something else, which is left as it was.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE))
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    try:
        if not _is_ours(connection, path):
            with transaction(connection):
                _prepare(connection, path)
        with suppress(PermissionError):  # another user's, who has let us in
            path.chmod(_MODE)
        with suppress(sqlite3.OperationalError):  # another worker is doing it, or the file system cannot: readers wait for writers then
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, and nobody else writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def why(error: Exception, path: Path) -> PersonalWordsUnavailable:
    """What is wrong with the file, and what to do."""
    match error:
        case PersonalWordsUnavailable():
            return error
        case sqlite3.Error():
            # of errors of Python's own module, such as an int that is too large, there is no code
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            remedy = _REMEDIES.get(code, "see that the file can be read and written, or start the service with another --personal-words")
            return PersonalWordsUnavailable(f"{path.name}: {error}: {remedy}")
        case _:
            reason = getattr(error, "strerror", None) or error
            return PersonalWordsUnavailable(f"{path.name}: {reason}: see that its folder is there and the service may write to it")


def is_passing(error: Exception) -> bool:
    """Whether the connection is as good as before."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)


_REMEDIES = {
    sqlite3.SQLITE_BUSY: "another program holds it: send this again",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_CORRUPT: "it is damaged: put a copy of it back, or move it away and begin anew",
    sqlite3.SQLITE_NOTADB: "it is no database: move it away, or start the service with another --personal-words",
}


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the tables are there; not where the file is empty."""
    marked = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if marked == APPLICATION_ID and version != SCHEMA_VERSION:
        raise PersonalWordsUnavailable(f"{path.name} was written by another release of Carousel: use that one, or another file")
    if marked != APPLICATION_ID and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise PersonalWordsUnavailable(f"{path.name} is another program's database: start the service with another --personal-words")
    return bool(marked == APPLICATION_ID)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, where no other worker has meanwhile."""
    if _is_ours(connection, path):
        return
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

"""A connection to the file of personal words and the one thread that uses it, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service.personal.database import is_passing, open_database, why
from service.personal.errors import PersonalWordsUnavailable

T = TypeVar("T")

MAX_WAITING = 256
"""Pieces of work that wait for the thread; one more is refused."""

logger = logging.getLogger(__name__)


class DatabaseThread:
    """Opens the file when it is first used, and again after it has failed: a file that was repaired needs no new start."""

    def __init__(self, path: Path, *, name: str, busy_s: float) -> None:
        """`busy_s` is how long it waits for others that write."""
        self._path, self._busy_s = path, busy_s
        self._connection: sqlite3.Connection | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting = 0
        self._failed_with = ""

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns.

        Raises:
            PersonalWordsUnavailable: the file cannot be used, or too much work waits for it.
        """
        if self._waiting >= MAX_WAITING:
            raise PersonalWordsUnavailable(f"{self._waiting} requests wait for {self._path.name}: send this again later")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._work, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Finish what waits and close the file. Blocks."""
        self._executor.submit(self._close)
        self._executor.shutdown()

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = open_database(self._path, busy_s=self._busy_s)
            found = work(self._connection)
        except (sqlite3.Error, OSError, PersonalWordsUnavailable) as error:
            if not is_passing(error):
                self._close()
            raise self._noted(why(error, self._path)) from error
        self._failed_with = ""
        return found

    def _noted(self, error: PersonalWordsUnavailable) -> PersonalWordsUnavailable:
        """The error, logged where it is another one than the last."""
        if error.detail != self._failed_with:
            logger.warning("personal words are not available: %s", error.detail)
            self._failed_with = error.detail
        return error

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

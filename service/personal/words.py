"""Words of users: learned from what they have written, evidence for what they write next, listed, exported, restored, forgotten."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path

from service.contract.forms import lower
from service.contract.tokenizer import cut_typed
from service.personal import dictionary, export, writing
from service.personal.database_thread import DatabaseThread
from service.personal.dictionary import FIRST, Entry, Owner
from service.personal.evidence import Known
from service.personal.hearing import MAX_TAIL, finished_part, grams, hear, last_grams, words_before
from service.personal.writing import Bounds

READ_BUSY_S = 0.2
WRITE_BUSY_S = 2.0
"""Readers wait for nobody, as a rule; a writer waits for the writers of other workers."""
ENTRIES_AT_ONCE = 1000


class PersonalWords:
    """The words that users of one service have written; several processes may share the file.

    Every method raises PersonalWordsUnavailable where the file cannot be used; nothing is lost by that but what was to be learned.
    """

    def __init__(self, path: Path, *, bounds: Bounds, clock: Callable[[], float] = time.time) -> None:
        """The file is opened when it is first used."""
        self._bounds, self._clock = bounds, clock
        self._reader = DatabaseThread(path, name="personal-reader", busy_s=READ_BUSY_S)
        self._writer = DatabaseThread(path, name="personal-writer", busy_s=WRITE_BUSY_S)

    async def known(self, owner: Owner, text: str) -> Known:
        """What is known of how the user goes on at the end of `text`."""
        return await self._reader.run(partial(_known, owner, text))

    async def learn(self, owner: Owner, text: str) -> tuple[int, int]:
        """Learn a finished text, all of it; how many words were learned, and how many parts were passed over as they may be private."""
        return await self._writer.run(partial(self._learn, owner, text))

    async def learn_last(self, owner: Owner, text: str) -> None:
        """Learn the word that the last character of `text`, a space or a line end, has finished; the same text again teaches nothing."""
        if text and text[-1].isspace():  # nothing else is worth a thread
            await self._writer.run(partial(self._learn_last, owner, text))

    async def words(self, owner: Owner, *, after: str, limit: int) -> list[Entry]:
        """Words of a user in alphabetical order, those behind the word `after`."""
        return await self._reader.run(lambda connection: dictionary.words_page(connection, owner, after, limit))

    async def export(self, owner: Owner) -> AsyncIterator[bytes]:
        """All that was learned of a user, as lines of JSON."""
        last: Entry | None = FIRST
        while last is not None:
            entries = await self._reader.run(partial(dictionary.entries, owner=owner, after=last, limit=ENTRIES_AT_ONCE))
            yield export.exported(entries)
            last = entries[-1] if len(entries) == ENTRIES_AT_ONCE else None

    async def restore(self, owner: Owner, lines: bytes) -> tuple[int, int]:
        """Take in an export; how many words it had, and how many lines were passed over.

        Raises:
            BadQuestion: it is none.
        """
        return await self._writer.run(partial(self._restore, owner, lines))

    async def forget(self, owner: Owner, word: str) -> int:
        """Forget one word, however it is written; says how many words went, 0 or 1."""
        return await self._writer.run(lambda connection: writing.forget(connection, owner, lower(word)))

    async def forget_all(self, owner: Owner) -> int:
        """Forget a user; says how many words went."""
        return await self._writer.run(lambda connection: writing.forget_all(connection, owner))

    def close(self) -> None:
        """Finish what waits. Blocks."""
        self._reader.close()
        self._writer.close()

    def _learn(self, owner: Owner, text: str, connection: sqlite3.Connection) -> tuple[int, int]:
        heard = hear(text)
        learned = writing.learn(connection, owner, list(grams(heard.words)), bounds=self._bounds, now=self._clock())
        return learned, heard.passed_over

    def _learn_last(self, owner: Owner, text: str, connection: sqlite3.Connection) -> None:
        finished = finished_part(text)
        text_hash = blake2b(finished.encode(), digest_size=16).digest()
        writing.learn(connection, owner, last_grams(finished), bounds=self._bounds, now=self._clock(), text_hash=text_hash)

    def _restore(self, owner: Owner, lines: bytes, connection: sqlite3.Connection) -> tuple[int, int]:
        entries, passed_over = export.imported(lines)
        return writing.restore(connection, owner, entries, bounds=self._bounds, now=self._clock()), passed_over


def _known(owner: Owner, text: str, connection: sqlite3.Connection) -> Known:
    return dictionary.known(connection, owner, words_before(text), cut_typed(text[-MAX_TAIL:])[1])

"""Text that is written on, in the letters that people write it in: models know lower case alone.

Words get capitals as those that are suggested do (`shown.written`). Where tokens are parts of words, a word waits until it has ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from service.contract.forms import Forms, lower
from service.tasks.shown import MAX_TAIL, Cursor, written

_LETTER = r"[^\W\d_]"
_BEHIND_LETTER = rf"(?:{_LETTER}|[\u0300-\u036f])"
"""A letter or an accent, which stands for itself where no letter has it."""
_PARTS = re.compile(rf"{_LETTER}{_BEHIND_LETTER}*(?:['’]{_LETTER}{_BEHIND_LETTER}*)*|.", re.DOTALL)
"""Words, and each character that is in none."""
_LAST_WORD = re.compile(rf"[^\W_](?:\d|['’]|{_BEHIND_LETTER})*\Z")
_REST_OF_WORD = re.compile(rf"(?:['’]|{_BEHIND_LETTER})*")
_APOSTROPHES = "'’"


@dataclass(frozen=True, slots=True)
class Casing:
    """Where a text stands that is written on: its end as it is shown, and the letters behind that of a word that has not ended.

    `start` is the place from which it is written on.
    """

    forms: Forms
    start: Cursor
    tail: str
    waiting: str = ""

    @classmethod
    def behind(cls, text: str, forms: Forms) -> Casing:
        """The end of a text; `forms` say how words are mostly written."""
        return cls(forms, Cursor.behind(text), text[-MAX_TAIL:])

    def shown(self, added: str, *, ended: bool) -> tuple[str, Casing]:
        """What may be shown now that `added` is there in lower case, and where the text stands then; all of it where words have `ended`."""
        text = self.waiting + added
        last_word = None if ended else _LAST_WORD.search(text)
        cut = last_word.start() if last_word and last_word[0].upper() != last_word[0] else len(text)
        letters = self._in_letters(text[:cut])
        return letters, replace(self, tail=(self.tail + letters)[-MAX_TAIL:], waiting=text[cut:])

    def typed(self, text: str) -> str:
        """The letters that were typed at `start`, as the word has them that `text` makes of them."""
        word = lower(self.start.typed)
        rest = _REST_OF_WORD.match(text)
        whole = word + lower(rest[0].rstrip(_APOSTROPHES)) if rest else word
        form = written(whole, self.start, self.forms)
        return form[: len(word)] if len(form) == len(whole) else self.start.typed

    def _in_letters(self, text: str) -> str:
        shown = self.tail
        for part in _PARTS.findall(text):
            shown += self._written(part, Cursor.behind(shown)) if part[0].isalpha() else part
        return shown[len(self.tail) :]

    def _written(self, part: str, cursor: Cursor) -> str:
        """A word, or what is behind the letters of it that stand there: in lower case where other letters would be more or fewer."""
        word = lower(cursor.typed) + part
        form = written(word, cursor, self.forms)
        if not cursor.typed:
            return form
        return form[len(word) - len(part) :] if len(form) == len(word) else part

"""A simulated typist: three suggestions are shown, one key takes one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from benchmarks.next_word.datasets import Line
from service.contract.tokenizer import WORD_PATTERN

Suggest = Callable[[str], Sequence[str]]
"""Text up to the cursor -> words that are shown, in lower case."""

_WORDS = re.compile(WORD_PATTERN)


@dataclass(frozen=True, slots=True)
class Typed:
    """Keys pressed, keys without suggestions, words, and how many of these were shown before their first letter was typed."""

    keys: int = 0
    unaided: int = 0
    words: int = 0
    foreseen: int = 0

    @property
    def saved(self) -> float:
        """Share of the keys that suggestions have saved."""
        return 1 - self.keys / self.unaided

    @property
    def foreseen_share(self) -> float:
        """Share of the words that were shown before their first letter."""
        return self.foreseen / self.words

    def __add__(self, other: Typed) -> Typed:
        """Both together."""
        return Typed(self.keys + other.keys, self.unaided + other.unaided, self.words + other.words, self.foreseen + other.foreseen)


def type_all(lines: Iterable[Line], suggest: Suggest) -> Typed:
    """Type lines with the help of `suggest`."""
    return sum((type_line(line, suggest) for line in lines), Typed())


def type_line(line: Line, suggest: Suggest) -> Typed:
    """Type one line, each character of it (a syllable in Korean) and its end a key.

    The typist takes a word as soon as it is shown, unless typing the rest is as quick; the space behind it comes with it. Marks are typed.
    """
    text = normalize("NFC", line.text)
    keys, at, words, foreseen = 1, 0, 0, 0
    for match in _WORDS.finditer(text):
        word, start = match[0], match.start()
        if not word[0].isalnum():
            continue
        space = int(text[match.end() : match.end() + 1] == " ")
        letters = _letters_typed(line.before + text[:start], word, suggest)
        words += 1
        foreseen += letters == 0
        keys += start - at
        if letters + 1 < len(word) + space:
            keys, at = keys + letters + 1, match.end() + space
        else:
            keys, at = keys + len(word), match.end()
    return Typed(keys + len(text) - at, len(text) + 1, words, foreseen)


def _letters_typed(before: str, word: str, suggest: Suggest) -> int:
    """Letters after which `word` is shown; all of them where it never is."""
    wanted = word.lower()
    return next((letters for letters in range(len(word)) if wanted in suggest(before + word[:letters])), len(word))

"""A simulated typist: three suggestions are shown, one key takes one of them.

Keys are those of the keyboard: a character each, but of Korean the letters that the two-set keyboard composes into syllables. What is
suggested for is the text as it stands on the screen, a syllable that is still being composed included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from benchmarks.next_word.datasets import Line
from benchmarks.next_word.keyboard import screen
from service.contract.jamo import typed_letters
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
    """Type one line; its end is a key, too.

    The typist takes a word as soon as it is shown, unless typing the rest is as quick; the space behind it comes with it. Marks are typed.
    """
    text = normalize("NFC", line.text)
    keys, at, words, foreseen = 1, 0, 0, 0
    for match in _WORDS.finditer(text):
        word, start = match[0], match.start()
        if not word[0].isalnum():
            continue
        space = int(text[match.end() : match.end() + 1] == " ")
        letters = typed_letters(word)
        typed = _letters_typed(line.before + text[:start], word, letters, suggest)
        words += 1
        foreseen += typed == 0
        keys += _keys(text[at:start])
        if typed + 1 < len(letters) + space:
            keys, at = keys + typed + 1, match.end() + space
        else:
            keys, at = keys + len(letters), match.end()
    return Typed(keys + _keys(text[at:]), _keys(text) + 1, words, foreseen)


def _keys(text: str) -> int:
    """Keys that a text takes; those that only end a syllable, as between the letters of 어ㅋ, are not counted."""
    return len(typed_letters(text))


def _letters_typed(before: str, word: str, letters: str, suggest: Suggest) -> int:
    """Letters after which `word` is shown; all of them where it never is."""
    wanted = word.lower()
    return next((typed for typed in range(len(letters)) if wanted in suggest(before + screen(letters[:typed]))), len(letters))

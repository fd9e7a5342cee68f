"""How the words of a vocabulary are mostly written: a model reads and gives lower-case words, people write names with a capital."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable
from itertools import pairwise
from unicodedata import normalize

from service.contract.tokenizer import WORD_PATTERN

_WORDS = re.compile(WORD_PATTERN)
_GOES_ON = frozenset(",;-–—&/")
"""Marks behind which a sentence goes on."""


def surface_forms(lines: Iterable[str], vocabulary: Container[str]) -> dict[str, str]:
    """Word of the vocabulary -> its most frequent form in `lines`, only where that is not the lower-case word itself.

    Only words that stand behind another word, a number or a comma on their line are counted: what begins a sentence has a capital anyhow.
    Of forms that are as frequent as each other the lower-case one wins, then the first in the order of code points.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        found = _WORDS.findall(normalize("NFC", line))
        counts.update(word for before, word in pairwise(found) if before[-1].isalnum() or before in _GOES_ON)
    forms: dict[str, str] = {}
    for form in sorted(counts, key=lambda form: (-counts[form], form != form.lower(), form)):
        if form.lower() in vocabulary:
            forms.setdefault(form.lower(), form)
    return {word: form for word, form in forms.items() if form != word}


def word_count(lines: Iterable[str]) -> int:
    """Words and marks of `lines`, each line end counted too: the tokens of a word vocabulary."""
    return sum(len(_WORDS.findall(normalize("NFC", line))) + 1 for line in lines)

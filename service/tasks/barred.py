"""Words that are not written behind a text which somebody types: those that are not suggested either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.contract.apostrophes import printed
from service.contract.subword_file import SPACE
from service.contract.subwords import AnyTokenizer, SubwordTokenizer
from service.tasks.hidden import Hidden


@dataclass(frozen=True, slots=True)
class Barred:
    """`words` in lower case, and the ids of the tokens that are such a word, or mark, by themselves."""

    tokenizer: AnyTokenizer
    words: frozenset[str]
    tokens: Mapping[str, int]

    @classmethod
    def of(cls, tokenizer: AnyTokenizer, hidden: Hidden) -> Barred | None:
        """What is hidden; None where nothing is."""
        words = hidden.words
        if not words:
            return None
        pieces = tokenizer.words
        if isinstance(tokenizer, SubwordTokenizer):
            whole = {pieces[mark].removeprefix(SPACE): mark for mark in np.flatnonzero(tokenizer.marks).tolist()}
        else:
            whole = {word: number for number, word in enumerate(pieces)}
        return cls(tokenizer, words, {word: whole[word] for word in words & whole.keys()})

    def behind(self, written: Sequence[int], typed: str) -> list[int]:
        """Tokens that would write such a word, or end it, behind those that were written.

        A word that is being `typed` may stand: it does already.
        """
        typed = printed(typed)
        tokens = [token for word, token in self.tokens.items() if printed(word) != typed]
        if isinstance(self.tokenizer, SubwordTokenizer):
            word = _last_word(self.tokenizer, written)
            if word in self.words and printed(word) != typed:
                tokens += np.flatnonzero(self.tokenizer.ending).tolist()
        return tokens


def _last_word(tokenizer: SubwordTokenizer, written: Sequence[int]) -> str:
    """The word that the last pieces have begun; '' where they are none."""
    letters = ""
    for token in reversed(written):
        if not tokenizer.going_on[token]:
            return letters if tokenizer.marks[token] else tokenizer.words[token].removeprefix(SPACE) + letters
        letters = tokenizer.words[token] + letters
    return letters

"""Pieces of words <-> token ids: a `tokenizers` file (tokenizer.json), to which no text is unknown."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from service.contract.jamo import typed_letters
from service.contract.manifest import ArtifactError
from service.contract.subword_file import BYTES, SPACE, file_text, learn_pieces, read_pieces
from service.contract.tokenizer import END, SPECIAL, UNKNOWN, Context, WordTokenizer, cut_typed, read_context

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_KNOWN_WORDS = 50_000
"""Words of which the pieces are remembered."""
MAX_KNOWN_CHARACTERS = 32
"""Characters of the longest of these."""
_RESERVED = frozenset((*SPECIAL, *BYTES))
_BLANKS = re.compile(rf"[^\S\x1c-\x1f]|{SPACE}")
"""What the `tokenizers` library takes for blanks."""


class SubwordTokenizer:
    """Byte pair encoding of lower-cased, NFC-normalised text (Sennrich et al. 2016), single bytes where a character is not known.

    A line end is the token `END`; no text is read as `UNKNOWN`. Runs of blanks are one space; those at the ends of a line are dropped.
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        """`vocabulary` gives each piece its id, special tokens and bytes included; `merges` are the pairs that are joined, in their order.

        Raises:
            ArtifactError: a special token or a byte is missing, the ids are not 0, 1, 2 and so on, or a pair makes no piece.
        """
        if missing := [token for token in (*SPECIAL, *BYTES) if token not in vocabulary]:
            raise ArtifactError(f"tokenizer.json has no token {missing[0]!r}")
        self.words: tuple[str, ...] = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
        self._ids = {piece: number for number, piece in enumerate(self.words)}
        if self._ids != vocabulary or "" in vocabulary:
            raise ArtifactError("tokenizer.json does not number its pieces 0, 1, 2 and so on: publish the model again")
        self._merges = merges
        for first, second in merges:
            if first + second in _RESERVED or not {first, second, first + second} <= self._ids.keys():
                raise ArtifactError(f"tokenizer.json joins {first!r} and {second!r}, which make no piece of it: publish the model again")
        self.end_id, self.unknown_id = self._ids[END], self._ids[UNKNOWN]
        self.hidden_ids: tuple[int, ...] = tuple(sorted(self._ids[token] for token in _RESERVED))
        self._letters: tuple[str, ...] = tuple(map(typed_letters, self.words))
        self._bytes = [_written(piece) for piece in self.words]
        self._known: dict[str, list[int]] = {}

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int) -> SubwordTokenizer:
        """At most `vocabulary` pieces, special tokens and bytes included, as `learn_pieces` finds them."""
        return cls(*learn_pieces(lines, vocabulary=vocabulary))

    @classmethod
    def load(cls, path: Path) -> SubwordTokenizer:
        """Read tokenizer.json.

        Raises:
            ArtifactError: not a tokenizer file, a huge one, one without the tokens it needs, or one that splits text in another way.
        """
        try:
            tokenizer = cls(*read_pieces(path))
            tokenizer.encode("a")  # reads the pieces into the library
        except TypeError as error:
            raise ArtifactError(f"{path.name} is not a tokenizer file: {error!r}") from error
        return tokenizer

    def to_json(self) -> str:
        """The text of tokenizer.json."""
        return file_text(self._ids, self._merges)

    def __len__(self) -> int:
        """Tokens, special ones and bytes included."""
        return len(self.words)

    def encode(self, line: str) -> list[int]:
        """Ids of the pieces of one line, without `END`."""
        return [number for word in _words(line) for number in self._of_word(word)]

    def encode_lines(self, lines: Iterable[str]) -> list[list[int]]:
        """Ids of the pieces of each line, without `END`; on all cores."""
        split = [_words(line) for line in lines]
        words = list({word for line in split for word in line})
        ids = dict(zip(words, (encoding.ids for encoding in self._library.encode_batch_fast(words)), strict=True))
        return [[number for word in line for number in ids[word]] for line in split]

    def located(self, line: str) -> list[tuple[int, int, int]]:
        """Id of each token of one line, as `encode` gives them, and where it begins and ends in the line."""
        found = self._library.encode(line)
        return [(number, start, stop) for number, (start, stop) in zip(found.ids, found.offsets, strict=True)]

    def context(self, text: str) -> Context:
        """Split a text under the cursor into the tokens of finished words and the word being typed, as `WordTokenizer.context` does."""
        return read_context(text, self.encode, end_id=self.end_id)

    def opening(self, text: str) -> str:
        """What the next tokens must begin with, as it is typed: a space, unless a mark stands right before, and the word being typed."""
        finished, prefix = cut_typed(text)
        return (SPACE if not finished or finished[-1].isspace() else "") + typed_letters(prefix)

    def completions(self, opening: str) -> NDArray[np.intp]:
        """Ids of the pieces that `opening` begins, and of those that begin it; special tokens and bytes never do."""
        parts = [number for end in range(1, min(len(opening), self._longest + 1)) for number in self._of_letters.get(opening[:end], ())]
        return np.concatenate([self.covering(opening), np.array(parts, np.intp)])

    def covering(self, opening: str) -> NDArray[np.intp]:
        """Ids of the pieces that begin with all of `opening`."""
        numbers, letters = self._alphabetical
        first = bisect_left(letters, opening)
        last = bisect_right(letters, opening, lo=first, key=lambda own: own[: len(opening)])
        return numbers[first:last]

    def begins_with(self, opening: str) -> NDArray[np.bool_]:
        """Which pieces are `completions`, (vocabulary,)."""
        begins = np.zeros(len(self.words), np.bool_)
        begins[self.completions(opening)] = True
        return begins

    def rest(self, opening: str, token: int) -> str:
        """What of `opening` is still to be written behind a piece that is one of its `completions`."""
        return opening[len(self._letters[token]) :]

    def addition(self, text: str, token: int) -> str:
        """What a token adds to `text`, of which the last character is enough: its letters, a space before them where it has one.

        A byte alone is no character and adds nothing.
        """
        if token == self.end_id:
            return "\n"
        if self.words[token] in BYTES:
            return ""
        piece = self.words[token].replace(SPACE, " ")
        return piece.removeprefix(" ") if not text or text[-1].isspace() else piece

    def decode(self, ids: Iterable[int]) -> str:
        """The text of tokens: pieces put together, a line end for `END`; no line begins with a space."""
        text = b"".join(self._bytes[number] for number in ids).decode("utf-8", errors="replace")
        return "\n".join(line.removeprefix(" ") for line in text.split("\n"))

    @cached_property
    def going_on(self) -> NDArray[np.bool_]:
        """Which pieces go on with a word, (vocabulary,): those with letters or digits, and no space before them."""
        return self._of([piece[0] != SPACE and _has_letters(piece) for piece in self.words])

    @cached_property
    def marks(self) -> NDArray[np.bool_]:
        """Which pieces are marks, (vocabulary,): without letters or digits, with a space before them or not."""
        return self._of([piece != SPACE and not _has_letters(piece) for piece in self.words])

    @cached_property
    def ending(self) -> NDArray[np.bool_]:
        """Before which tokens a word has ended, (vocabulary,): those with a space before them, marks, and the end of a line."""
        ends = self._shown & ~self.going_on
        ends[self.end_id] = True
        return ends

    @cached_property
    def _shown(self) -> NDArray[np.bool_]:
        shown = np.ones(len(self.words), np.bool_)
        shown[list(self.hidden_ids)] = False
        return shown

    def _of(self, chosen: list[bool]) -> NDArray[np.bool_]:
        """Of these pieces, (vocabulary,), those that are shown."""
        return np.logical_and(self._shown, chosen)

    @cached_property
    def _alphabetical(self) -> tuple[NDArray[np.intp], list[str]]:
        """Ids of the pieces that are shown, in the order of their letters, and these."""
        numbers = sorted(np.flatnonzero(self._shown).tolist(), key=self._letters.__getitem__)
        return np.array(numbers, np.intp), [self._letters[number] for number in numbers]

    @cached_property
    def _of_letters(self) -> dict[str, list[int]]:
        """Letters as they are typed -> ids of the pieces that are just these."""
        found: dict[str, list[int]] = {}
        for number, letters in zip(*self._alphabetical, strict=True):
            found.setdefault(letters, []).append(int(number))
        return found

    def _of_word(self, word: str) -> list[int]:
        """Ids of the pieces of a word without blanks; no piece goes beyond it, so that they are the same in every line."""
        ids = self._known.get(word)
        if ids is None:
            ids = self._library.encode_batch_fast([word])[0].ids
            if len(word) <= MAX_KNOWN_CHARACTERS:
                if len(self._known) >= MAX_KNOWN_WORDS:
                    self._known.clear()
                self._known[word] = ids
        return ids

    @cached_property
    def _longest(self) -> int:
        """Letters of the longest piece."""
        return max(map(len, self._letters))

    @cached_property
    def _library(self) -> Tokenizer:
        """The pieces in the `tokenizers` library."""
        from tokenizers import Tokenizer  # here: it takes 10 MB that services without subwords need not

        return Tokenizer.from_str(self.to_json())


AnyTokenizer = WordTokenizer | SubwordTokenizer


def _written(piece: str) -> bytes:
    """What a piece is in a decoded text."""
    if piece == END:
        return b"\n"
    return bytes([BYTES[piece]]) if piece in BYTES else piece.replace(SPACE, " ").encode()


def _words(line: str) -> list[str]:
    """What stands between blanks."""
    return [word for word in _BLANKS.split(line) if word]


def _has_letters(piece: str) -> bool:
    return any(one.isalnum() or unicodedata.category(one)[0] == "M" for one in piece)

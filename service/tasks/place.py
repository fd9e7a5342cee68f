"""Where a text stands among those that were read before, found by digests: only its end, which is new, is split into tokens.

A text is cut behind blanks, where the tokens of a whole are those of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from service.contract.subwords import SubwordTokenizer
from service.contract.tokenizer import WordTokenizer

Tokenizer = WordTokenizer | SubwordTokenizer

MAX_TOKENS = 4096
"""Tokens that are read of a text: the last ones, at most as many as this."""
TOKEN_STRIDE = 1024
MAX_CHARACTERS = 12_288
"""Characters that are read of a text: the last ones, at most as many as this."""
CHARACTER_STRIDE = 4096
"""What is left out of a longer text grows in strides: between two of them, a text that goes on keeps its beginning."""
LONGEST_WORD = 256
"""Characters within which a text that is cut short finds a blank to begin behind, or else begins within a word."""
CUTS = 4
"""Last cuts of a text that are looked up; where none of them is known, all of it is split into tokens again."""
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: the digest of its tokens until there, how many they are, and whether the last one ends a line."""

    key: bytes
    tokens: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens behind a place; `keys` are the digests at that place and behind each token."""

    place: Place
    ids: Sequence[int]
    keys: Sequence[bytes]

    @classmethod
    def behind(cls, place: Place, ids: Sequence[int]) -> Stretch:
        """These tokens behind this place."""
        keys = [place.key]
        for number in ids:
            keys.append(blake2b(keys[-1] + int(number).to_bytes(8, "little"), digest_size=DIGEST_BYTES).digest())
        return cls(place, ids, keys)

    @property
    def tokens(self) -> int:
        """How many there are, those before the place included."""
        return self.place.tokens + len(self.ids)

    def after(self, count: int, *, end_id: int) -> Place:
        """The place behind the first `count` tokens."""
        ended = self.ids[count - 1] == end_id if count else self.place.ended
        return Place(self.keys[count], self.place.tokens + count, ended)


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it is read: what is finished up to its last blank, the tokens behind that, and the word being typed ('' after a mark)."""

    finished: str
    tail: tuple[int, ...]
    prefix: str

    @classmethod
    def of(cls, tokenizer: Tokenizer, text: str) -> Text:
        """The end of `text`, of which `recent_text` is read."""
        text = recent_text(text)
        cut = last_cut(text, len(text))
        context = tokenizer.context(text[cut:])
        return cls(text[:cut], context.ids[1:], context.prefix)

    def tokens(self, tokenizer: Tokenizer, place: Place, begun: int) -> list[int]:
        """Tokens of what is finished, from `begun` on, where `place` is; at a start, the line end that every text begins with is one."""
        ids = [] if place.tokens else [tokenizer.end_id]
        ended = place.ended or not place.tokens
        for number, line in enumerate(self.finished[begun:].split("\n")):
            if number and not ended:
                ids.append(tokenizer.end_id)
                ended = True
            found = tokenizer.encode(line) if line else []
            ids.extend(found)
            ended = found[-1] == tokenizer.end_id if found else ended
        return ids


@dataclass(frozen=True, slots=True)
class Known:
    """A place in a text that was read before: behind `stop` characters. `digest` is that of all that is finished."""

    place: Place
    stop: int
    digest: bytes


def last_known(finished: str, start: Place, find: Callable[[bytes], Place | None]) -> Known:
    """The newest of a text's last cuts of which `find` knows the place by its digest; where it knows none of them, the text's start."""
    whole = _digest(finished, start)
    digest, cut = whole, len(finished)
    for _ in range(CUTS):
        place = find(digest)
        if place is not None:
            return Known(place, cut, whole)
        cut = last_cut(finished, max(cut - 1, 0))
        if not cut:
            break
        digest = _digest(finished[:cut], start)
    return Known(start, 0, whole)


def last_cut(text: str, stop: int) -> int:
    """Where a text is cut last, at most at `stop`: behind a space or a line end, or else at its start."""
    return 1 + max(text.rfind(" ", 0, stop), text.rfind("\n", 0, stop))


def left_out(tokens: int) -> int:
    """How many of so many tokens are not read, the first ones: those beyond the last `MAX_TOKENS`, in whole strides."""
    return max(-((MAX_TOKENS - tokens) // TOKEN_STRIDE) * TOKEN_STRIDE, 0)


def recent_text(text: str) -> str:
    """The end of a text, at most `MAX_CHARACTERS`; where it begins changes once in `CHARACTER_STRIDE` characters."""
    over = len(text) - MAX_CHARACTERS
    if over <= 0:
        return text
    start = -(-over // CHARACTER_STRIDE) * CHARACTER_STRIDE
    blanks = [text.find(blank, start - 1, start + LONGEST_WORD) for blank in (" ", "\n")]
    return text[min((found + 1 for found in blanks if found >= 0), default=start) :]


def _digest(text: str, start: Place) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES, key=start.key).digest()

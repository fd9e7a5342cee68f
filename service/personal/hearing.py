"""A text as a user's dictionary hears it: words in their order, and where one has nothing to do with the next."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.contract.forms import lower
from service.contract.tokenizer import WORD_PATTERN, cut_typed
from service.personal.private import AROUND, SECRET_FOLLOWS, may_be_learned

MAX_BEFORE = 2
"""Words before a word that are kept with it."""
MAX_TAIL = 1000
"""Characters of a text that are looked at for the word that was finished last, and whether its line holds a secret."""
MAX_CONTEXT = 100
"""Characters of a text that are looked at for the words before its end."""
_CHUNKS = re.compile(r"\n|[^\s—–]+")
_WORDS = re.compile(WORD_PATTERN)
_COLONS = ":："
_BREAKS = frozenset(".!?…;:。！？")


@dataclass(frozen=True, slots=True)
class Heard:
    """A word: in lower case, as it was written, and whether its case says something, as it does not at the start of a sentence."""

    word: str
    form: str
    telling: bool


@dataclass(frozen=True, slots=True)
class Gram:
    """A word behind the words before it, the nearest first; '' where it is counted without them."""

    heard: Heard
    before1: str = ""
    before2: str = ""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard: words, and None where the chain is broken; and how many parts of the text were passed over."""

    words: list[Heard | None]
    passed_over: int


def hear(text: str) -> Hearing:
    """The words of a text, but for what may be private (`private.may_be_learned`).

    Nothing is heard of a line behind a word such as `password`, nor of the next one behind `Password:` at its end, nor capitals beside a
    number, as in an IBAN.
    """
    chunks = _CHUNKS.findall(unicodedata.normalize("NFC", text))
    words: list[Heard | None] = [None]
    passed_over = 0
    secret = awaited = False
    for position, chunk in enumerate(chunks):
        if chunk == "\n":
            secret = awaited
            words.append(None)
        elif secret or not may_be_learned(chunk) or _is_code(chunks, position):
            passed_over += 1
            words.append(None)
            awaited = False
        else:
            words.extend(_of_chunk(chunk, opens=words[-1] is None))
            secret = any(SECRET_FOLLOWS.fullmatch(lower(token)) for token in _WORDS.findall(chunk))
            awaited = secret and chunk[-1] in _COLONS
    return Hearing(words, passed_over)


def grams(words: Sequence[Heard | None]) -> Iterator[Gram]:
    """Each word alone, behind the word before it, and behind the two before it."""
    for position, heard in enumerate(words):
        if heard is not None:
            yield from _behind(heard, _chain(words[max(position - MAX_BEFORE, 0) : position]))


def finished_part(text: str) -> str:
    """A text up to the last word, where a space or a line end at its end has finished it; else ''."""
    return text.rstrip(f"{AROUND} \t\r\n") if text and text[-1].isspace() else ""


def last_grams(finished: str) -> list[Gram]:
    """The grams of the last word of a `finished_part`."""
    *words, heard = hear(_tail(finished, MAX_TAIL)).words
    return [] if heard is None else list(_behind(heard, _chain(words)))


def words_before(text: str) -> tuple[str, ...]:
    """Up to `MAX_BEFORE` words before the word that is being typed or comes next, the nearest first."""
    finished, _ = cut_typed(_tail(text, MAX_CONTEXT))
    return _chain(hear(finished).words)


def _behind(heard: Heard, chain: Sequence[str]) -> Iterator[Gram]:
    for length in range(len(chain) + 1):
        yield Gram(heard, *chain[:length])


def _chain(words: Sequence[Heard | None]) -> tuple[str, ...]:
    """The unbroken words at the end, the nearest first."""
    chain: list[str] = []
    for heard in reversed(words[-MAX_BEFORE:]):
        if heard is None:
            break
        chain.append(heard.word)
    return tuple(chain)


def _of_chunk(chunk: str, *, opens: bool) -> Iterator[Heard | None]:
    for token in _WORDS.findall(chunk):
        if token[0].isalpha():
            yield Heard(lower(token), token, telling=not opens)
            opens = False
        elif token in _BREAKS:
            yield None
            opens = True


def _is_code(chunks: Sequence[str], position: int) -> bool:
    """Whether these are capitals beside a number."""
    chunk = chunks[position]
    beside = "".join(chunks[max(position - 1, 0) : position + 2])
    return len(chunk) > 1 and chunk.isupper() and any(map(str.isdigit, beside))


def _tail(text: str, length: int) -> str:
    """The end of a text, which begins with a whole word."""
    return text if len(text) <= length else text[-length:].partition(" ")[2]

"""What of a text is never learned: whatever may be a password, an address, a number or a code."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

MAX_LETTERS = 32
"""Letters of the longest word that is learned."""
SECRET_FOLLOWS = re.compile(
    "(pass|kenn)w(ord|ort)s?|pass(wd|code|phrase)s?|pwd?|pin(code)?|puk|otp|cv[cv]|contraseña|senha|wachtwoord|пароль|(비밀번호|암호|비번).*"
)
"""Words in lower case behind which the rest of the line is not learned."""
AROUND = ".,;:!?¡¿\"'`‘’“”«»‹›()[]{}<>*~、。！？「」『』…"
"""Marks that may stand before and behind a word."""
_WITHIN = "'’-‐‑"
_HYPHENS = re.compile("[-‐‑]")
_SHORTEST_WITH_VOWELS = 5
"""Letters from which a Latin word must have a vowel."""
_VOWELS = frozenset("aeiouyæœø")
_CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxzß]{7}")
_ONE_SOUND = re.compile("sch|tch|[cgpst]h|ck")
_HEXADECIMAL = re.compile("[a-f]{8,}")
_REPEATED = re.compile(r"(.)\1{3}")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "abcdefghijklmnopqrstuvwxyz")
_RUN = 5
"""Keys that lie in a row, or letters in the order of the alphabet, that no word has."""
_RUNS = frozenset(row[first : first + _RUN] for forth in _ROWS for row in (forth, forth[::-1]) for first in range(len(row) - _RUN + 1))


def may_be_learned(chunk: str) -> bool:
    """Whether what stands between two spaces, NFC-normalised, is made of words alone.

    It is not where, but for marks around it, it holds anything beside letters, apostrophes and hyphens (so no digit, @, slash or inner
    dot), is in three parts of capitals, or has a part that is no word: over `MAX_LETTERS` long, capitals here and there, no vowel, seven
    consonants in a row, a letter four times, keys that lie in a row, or hexadecimal digits alone.
    """
    bare = chunk.strip(AROUND).strip(_WITHIN)
    if not bare.isalpha() and not all(letter.isalpha() or letter in _WITHIN for letter in bare):
        return False
    parts = [part for part in _HYPHENS.split(bare) if part]
    return not (len(parts) > 2 and bare.isupper()) and all(map(_is_word, parts))


def _is_word(part: str) -> bool:
    letters = part.lower()
    if len(part) > MAX_LETTERS or (letters != part and sum(one.islower() and other.isupper() for one, other in pairwise(part)) > 1):
        return False
    plain = letters if letters.isascii() else "".join(filter(str.isalpha, unicodedata.normalize("NFD", letters)))
    return not (
        _REPEATED.search(letters)
        or _HEXADECIMAL.fullmatch(plain)
        or _CONSONANTS.search(_ONE_SOUND.sub("t", plain))
        or (len(plain) >= _SHORTEST_WITH_VOWELS and plain.isascii() and _VOWELS.isdisjoint(plain))
        or (len(plain) >= _RUN and not _RUNS.isdisjoint([plain[first : first + _RUN] for first in range(len(plain) - _RUN + 1)]))
    )

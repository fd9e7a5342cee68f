"""Hangul -> the letters in the order they are typed, so that a syllable still being composed matches the words it may become."""

from __future__ import annotations

import unicodedata

_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_PAIRS = {
    **dict(zip("ㅘㅙㅚㅝㅞㅟㅢ", ("ㅗㅏ", "ㅗㅐ", "ㅗㅣ", "ㅜㅓ", "ㅜㅔ", "ㅜㅣ", "ㅡㅣ"), strict=True)),
    **dict(zip("ㄳㄵㄶㄺㄻㄼ", ("ㄱㅅ", "ㄴㅈ", "ㄴㅎ", "ㄹㄱ", "ㄹㅁ", "ㄹㅂ"), strict=True)),
    **dict(zip("ㄽㄾㄿㅀㅄ", ("ㄹㅅ", "ㄹㅌ", "ㄹㅍ", "ㄹㅎ", "ㅂㅅ"), strict=True)),
}
"""Two letters in one -> the keys that are typed for it."""
_FIRST_HANGUL = "\u1100"
_FIRST_SYLLABLE, _LAST_SYLLABLE = ord("가"), ord("힣")
_STROKES: dict[int, str] = {
    **{ord(letter): letters for letter, letters in _PAIRS.items()},
    **{
        first + number: _PAIRS.get(letter, letter)
        for first, letters in ((0x1100, _LEADS), (0x1161, _VOWELS), (0x11A8, _TAILS))
        for number, letter in enumerate(letters)
    },
}
"""Conjoining letters (U+1100 and on) and letters that stand alone (U+3131 and on) -> the keys of the two-set keyboard (KS X 5002)."""


class _Keys(dict[int, str]):
    """Character -> the keys of it; syllables, of which there are 11,172, as they are met."""

    def __missing__(self, character: int) -> str:
        """The keys of a syllable."""
        if not _FIRST_SYLLABLE <= character <= _LAST_SYLLABLE:
            raise KeyError(character)  # it stays
        keys = self[character] = unicodedata.normalize("NFD", chr(character)).translate(_STROKES)
        return keys


_KEYS = _Keys(_STROKES)


def typed_letters(text: str) -> str:
    """`text` with each Hangul syllable as the letters that are typed for it, one a key: 각 is ㄱㅏㄱ, and so begins 가가 (ㄱㅏㄱㅏ) too.

    Doubled consonants (ㄲ, ㅆ) are one key; two vowels in one (ㅘ) or two consonants at the end of a syllable (ㄳ) are two. Other
    characters stay. Letters of two texts in a row are the letters of the one and then those of the other.
    """
    if not text or max(text) < _FIRST_HANGUL:
        return text
    return text.translate(_KEYS)

"""The two-set keyboard of Korean (KS X 5002): what is on the screen after some keys, of which each is a letter."""

from __future__ import annotations

from functools import cache

from service.contract.jamo import typed_letters

_FIRST_SYLLABLE, _LAST_SYLLABLE = "가", "힣"
_FIRST_VOWEL, _LAST_VOWEL = "ㅏ", "ㅣ"
_FIRST_LETTER = "ㄱ"
_VOWELS_OF_TWO_KEYS = "ㅘㅙㅚㅝㅞㅟㅢ"


def screen(keys: str) -> str:
    """Letters composed into syllables, the last of which may be unfinished; other characters as they are.

    A consonant ends a syllable until a vowel follows it, which begins another one with it: ㄱㅏㄱ is 각, ㄱㅏㄱㅏ is 가가.
    """
    blocks = _blocks()
    shown, block = "", ""
    for key in keys:
        if block + key in blocks:
            block += key
        elif _is_vowel(key) and len(block) > 1 and _is_consonant(block[-1]):
            shown, block = shown + blocks[block[:-1]], block[-1] + key
        else:
            shown, block = shown + blocks.get(block, block), key
    return shown + blocks.get(block, block)


@cache
def _blocks() -> dict[str, str]:
    """Keys -> the syllable that they make, or the vowel that stands alone."""
    syllables = map(chr, range(ord(_FIRST_SYLLABLE), ord(_LAST_SYLLABLE) + 1))
    return {typed_letters(block): block for block in (*syllables, *_VOWELS_OF_TWO_KEYS)}


def _is_vowel(key: str) -> bool:
    return _FIRST_VOWEL <= key <= _LAST_VOWEL


def _is_consonant(key: str) -> bool:
    return _FIRST_LETTER <= key < _FIRST_VOWEL

"""The two apostrophes: keyboards have ', books print ’, and both write the same word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from service.contract.jamo import typed_letters

TYPED, PRINTED = "'", "’"
APOSTROPHES = TYPED + PRINTED


def has_apostrophe(text: str) -> bool:
    """Whether either of them is in a text."""
    return TYPED in text or PRINTED in text


def printed(text: str) -> str:
    """A text with printed apostrophes alone: spellings of one word become the same."""
    return text.replace(TYPED, PRINTED)


def typed(text: str) -> str:
    """A text with typed apostrophes alone."""
    return text.replace(PRINTED, TYPED)


def begins_as_typed(word: str, letters: str) -> bool:
    """Whether a word begins with these letters, the apostrophes among them."""
    return typed_letters(word).startswith(typed_letters(letters))


def spelled_as_typed(word: str, letters: str) -> str:
    """A word that begins with these letters, but for their apostrophes, with the last one of these in the place of its own."""
    if begins_as_typed(word, letters):
        return word
    return typed(word) if letters.rfind(TYPED) > letters.rfind(PRINTED) else printed(word)


def by_spelling(words: Sequence[str]) -> tuple[dict[str, int], frozenset[int]]:
    """Numbers of the words with apostrophes by their printed spelling; apart from these, the numbers of words that share theirs."""
    numbers: dict[str, list[int]] = {}
    for number, word in enumerate(words):
        if has_apostrophe(word):
            numbers.setdefault(printed(word), []).append(number)
    one = {word: found[0] for word, found in numbers.items() if len(found) == 1}
    return one, frozenset(number for found in numbers.values() if len(found) > 1 for number in found)


def either_spelling(words: Iterable[str]) -> frozenset[str]:
    """Words, and the same with the other apostrophe."""
    return frozenset(spelling for word in words for spelling in ((word, typed(word), printed(word)) if has_apostrophe(word) else (word,)))


def forms_of_either(forms: Mapping[str, str]) -> dict[str, str]:
    """Forms of words, and those of the same words with the other apostrophe, where these have none of their own."""
    other = {spell(word): spell(form) for word, form in forms.items() if has_apostrophe(word) for spell in (typed, printed)}
    return {**other, **forms}

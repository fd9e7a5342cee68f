"""What a query may become that somebody is typing: its last word completed, another word behind it, or a few."""

from __future__ import annotations

import re
import unicodedata

from service.contract.forms import lower
from service.contract.tokenizer import WORD_PATTERN, cut_typed, join_words
from service.tasks.dialogue import Dialogue
from service.tasks.generation import Sampling, Written, beam
from service.tasks.hidden import Hidden
from service.tasks.language import Language
from service.tasks.next_word import Choice
from service.tasks.shown import show
from service.tasks.word_search import MAX_PIECES

SPARE = 8
"""Words that are asked for beyond those wanted, as marks are left out."""
MOST_LONGER = 3
"""Queries of more than one word further."""
BEAMS = 8
_WORDS = re.compile(WORD_PATTERN)


def queries(language: Language, query: str, *, limit: int, words: int) -> Dialogue[list[str]]:
    """At most `limit` whole queries, likeliest first: those of one more word, then some of up to `words`; none with words that are hidden.

    Raises:
        QuestionError: the model does not predict words.
    """
    query = unicodedata.normalize("NFC", query)
    longer: list[str] = []
    if words > 1 and limit > 1:
        sampling = Sampling(max_tokens=words * MAX_PIECES, words=words, alternatives=False)
        written = yield from beam(language, query, sampling, width=BEAMS)
        longer = [query + one.text for one in written if _presentable(one, language.hidden)][: min(MOST_LONGER, limit // 2)]
    found = yield from show(language, query, Choice(limit + SPARE))
    shorter = [_with_word(query, one.word) for one in found if any(map(str.isalnum, one.word))]
    kept = dict.fromkeys([*shorter[: limit - len(longer)], *longer, *shorter[limit - len(longer) :]])
    return list(kept)[:limit]


def _with_word(query: str, word: str) -> str:
    """The query with `word` in the place of the one that is being typed, or behind it."""
    finished = cut_typed(query)[0]
    if finished != query or not finished or finished[-1].isspace():
        return finished + word
    return finished[:-1] + join_words((finished[-1], word))


def _presentable(written: Written, hidden: Hidden) -> bool:
    """Whether these are words, none of them hidden; marks are left to sentences."""
    words = _WORDS.findall(written.typed + written.text)
    return bool(words) and all(word[0].isalnum() and lower(word) not in hidden for word in words)

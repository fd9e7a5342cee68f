"""What a caller is shown of the words that may follow: none that are to be hidden, base forms first, capitals where they belong."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.contract.forms import Forms
from service.contract.tokenizer import cut_typed
from service.tasks.dialogue import Dialogue
from service.tasks.hidden import Hidden
from service.tasks.language import Language
from service.tasks.next_word import Choice, Suggestion, suggest

SPARE = 8
"""Words that are asked for beyond those wanted, where some may be left out or change places."""
MUCH_LIKELIER = 3.0
"""So many times likelier a longer form must be to stand before its base form."""
LONGEST_ENDING = 4
"""Characters that a form has behind its base form at most: `ing`, `ness`, `ment`."""
SHORTEST_BASE = 2
MAX_TAIL = 200
"""Characters of a text that are looked at for where its last word stands."""
_ENDS_SENTENCE = frozenset(".!?…。！？")
_CLOSING = "\"'’”)]»」』"
_OPENING = "\"'‘“([«¿¡「『"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a word is shown: behind the letters `typed`, as they were typed, at the start of a sentence or not."""

    typed: str
    opens: bool

    @classmethod
    def behind(cls, text: str) -> Cursor:
        """The place at the end of a text."""
        tail = unicodedata.normalize("NFC", text[-MAX_TAIL:])
        before = cut_typed(tail)[0]
        typed = tail[len(before) :]
        before = before.rstrip(_OPENING)
        said = before.rstrip(" \t")
        if not said or said[-1] == "\n":
            return cls(typed, opens=True)
        return cls(typed, opens=said != before and said.rstrip(_CLOSING)[-1:] in _ENDS_SENTENCE)


def show(
    language: Language, text: str, choice: Choice, *, hidden: Hidden | None = None, base_first: bool = True
) -> Dialogue[list[Suggestion]]:
    """`suggest`, as a caller is shown it: without `hidden`, which is by default what the service hides; drawn words keep their order.

    Raises:
        QuestionError: the model does not predict words.
    """
    hidden = language.hidden if hidden is None else hidden
    completes = base_first and choice.temperature is None and text != "" and not text[-1].isspace()
    if not (hidden or completes):
        found = yield from suggest(language, text, choice)
    else:
        found = yield from enough(language, text, choice, hidden)
    if completes:
        found = base_forms_first(found, cut_typed(text[-MAX_TAIL:])[1])
    found = found[: choice.top_k]
    return in_letters(found, Cursor.behind(text), language.forms) if language.forms else found


def enough(language: Language, text: str, choice: Choice, hidden: Hidden) -> Dialogue[list[Suggestion]]:
    """Suggestions that are not hidden: at least as many as are wanted, where the model has so many, and some to spare."""
    wanted = choice.top_k + SPARE
    while True:
        found = yield from suggest(language, text, replace(choice, top_k=wanted))
        kept = [one for one in found if one.word not in hidden] if hidden else found
        if len(kept) >= choice.top_k or len(found) < wanted:
            return kept
        wanted *= 4


def base_forms_first(found: Sequence[Suggestion], typed: str) -> list[Suggestion]:
    """Completions of `typed`, likeliest first, with each base form before its longer forms unless one is `MUCH_LIKELIER`.

    A base form is a word that another one begins with, at most `LONGEST_ENDING` characters shorter and not itself what is typed:
    `walk` of `walked`, `walking` and `walks`. The order of the others stays, and of all where nothing is typed.
    """
    if not typed:
        return list(found)
    by_word = {one.word: one for one in found}
    ordered: dict[str, Suggestion] = {}
    for one in found:
        word = one.word
        for length in range(max(len(word) - LONGEST_ENDING, SHORTEST_BASE), len(word)):
            base = by_word.get(word[:length])
            if base is not None and base.word != typed and base.probability * MUCH_LIKELIER >= one.probability:
                ordered.setdefault(base.word, base)
        ordered.setdefault(word, one)
    return list(ordered.values())


def in_letters(found: Sequence[Suggestion], cursor: Cursor, forms: Forms) -> list[Suggestion]:
    """Suggestions as they are written at this place."""
    return [replace(one, word=written(one.word, cursor, forms)) for one in found]


def written(word: str, cursor: Cursor, forms: Forms) -> str:
    """A lower-case word as it is mostly written; in capitals behind capitals, with one behind one and at the start of a sentence."""
    form = forms.get(word, word)
    typed = cursor.typed
    if typed.isupper() and sum(map(str.isalpha, typed)) > 1:
        return form.upper()
    capital = typed[0].isupper() if typed else cursor.opens
    return form[:1].upper() + form[1:] if capital else form

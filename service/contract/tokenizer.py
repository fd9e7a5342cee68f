"""Words <-> token ids: a `tokenizers` file (tokenizer.json) read the same way in training and serving."""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from service.contract.apostrophes import APOSTROPHES, begins_as_typed, by_spelling, has_apostrophe, printed, spelled_as_typed
from service.contract.jamo import typed_letters
from service.contract.manifest import ArtifactError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "</s>"
"""Ends a sentence (a line) and begins a text."""
UNKNOWN = "<unk>"
"""Stands for every word out of the vocabulary."""
SPECIAL = (END, UNKNOWN)
WORD_PATTERN = r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:]\d+)*|[^\w\s]"
"""A word (with inner apostrophes), a number, or one mark of punctuation."""
_NORMALIZER = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
_SPLITTER = {"type": "Split", "pattern": {"Regex": WORD_PATTERN}, "behavior": "Removed", "invert": True}
_MODEL = "WordLevel"
_WORDS = re.compile(WORD_PATTERN)
_LATIN = re.compile("[\t\n -\u00b1\u00b4-\u00b8\u00ba\u00bb\u00bf-\u012f\u0131-\u02ff\u2010-\u2027\u20ac]*")
"""Texts of Latin letters and usual marks: in these, normalised as they are, `re` finds the words that the `tokenizers` library finds."""
_NO_SPACE_BEFORE = frozenset(".,;:!?)]}%’'”")
_NO_SPACE_AFTER = frozenset("([{‘“$#")


@dataclass(frozen=True, slots=True)
class Context:
    """A text as a model reads it: tokens of the finished words, and the letters of the word being typed ('' after a space)."""

    ids: tuple[int, ...]
    prefix: str


class WordTokenizer:
    """Word-level tokens of lower-cased, NFC-normalised text; a line end is the token `END`.

    A word that is unknown is read as the one that differs from it in apostrophes alone (`don't`, `don’t`), where there is one such word.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        """`vocabulary` gives each word its id, the special tokens included.

        Raises:
            ArtifactError: a special token is missing, or the ids are not 0, 1, 2 and so on.
        """
        if missing := [token for token in SPECIAL if token not in vocabulary]:
            raise ArtifactError(f"tokenizer.json has no token {missing[0]!r}")
        self.words: tuple[str, ...] = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
        self._ids = {word: number for number, word in enumerate(self.words)}
        if self._ids != vocabulary:
            raise ArtifactError("tokenizer.json does not number its words 0, 1, 2 and so on: publish the model again")
        self.end_id, self.unknown_id = self._ids[END], self._ids[UNKNOWN]
        self.hidden_ids: tuple[int, ...] = (self.end_id, self.unknown_id)
        letters = {number: typed_letters(printed(word)) for number, word in enumerate(self.words) if number not in self.hidden_ids}
        self._alphabetical = np.array(sorted(letters, key=letters.__getitem__), np.intp)
        self._letters = sorted(letters.values())
        self._of_printed, self._apart = by_spelling(self.words)

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int) -> WordTokenizer:
        """The `vocabulary` most frequent words of `lines`, special tokens included; equal counts in alphabetical order."""
        from tokenizers import Tokenizer, trainers  # here, as below

        tokenizer = Tokenizer.from_str(_file_text({}))
        trainer = trainers.WordLevelTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
        tokenizer.train_from_iterator(lines, trainer)
        return cls(tokenizer.get_vocab())

    @classmethod
    def load(cls, path: Path) -> WordTokenizer:
        """Read tokenizer.json.

        Raises:
            ArtifactError: not a tokenizer file, one without the special tokens, or one that splits text in another way than this class.
        """
        try:
            content = json.loads(path.read_bytes())
            model = content["model"]
            if (content["normalizer"], content["pre_tokenizer"], model["type"]) != (_NORMALIZER, _SPLITTER, _MODEL):
                raise ArtifactError(f"{path.name} does not split text into lower-case words: publish the model again")
            return cls(model["vocab"])
        except ArtifactError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ArtifactError(f"{path.name} is not a tokenizer file: {error!r}") from error

    def to_json(self) -> str:
        """The text of tokenizer.json."""
        return _file_text(self._ids)

    def __len__(self) -> int:
        """Tokens, special ones included."""
        return len(self.words)

    def encode(self, line: str) -> list[int]:
        """Ids of the words of one line, without `END`."""
        if _LATIN.fullmatch(line) and END not in line and UNKNOWN not in line:  # the same in Python, in a tenth of the time
            ids = self._ids
            return [ids[word] if word in ids else self._unlisted(word) for word in _WORDS.findall(line.lower())]
        return self.encode_lines([line])[0]

    def encode_lines(self, lines: Iterable[str]) -> list[list[int]]:
        """Ids of the words of each line, without `END`; on all cores."""
        lines = list(lines)
        found: list[list[int]] = [encoding.ids for encoding in self._library.encode_batch_fast(lines)]
        for place, (line, ids) in enumerate(zip(lines, found, strict=True)):
            if self.unknown_id in ids and has_apostrophe(line):
                found[place] = [number for number, _, _ in self.located(line)]
        return found

    def located(self, line: str) -> list[tuple[int, int, int]]:
        """Id of each token of one line, as `encode` gives them, and where it begins and ends in the line."""
        found = self._library.encode(line)
        lower = self._library.normalizer.normalize_str
        tokens = zip(found.ids, found.offsets, strict=True)
        return [(self._unlisted(lower(line[slice(*at)])) if number == self.unknown_id else number, *at) for number, at in tokens]

    def context(self, text: str) -> Context:
        """Split a text under the cursor into tokens and the word being typed.

        The tokens begin with `END`; each line end in the text is one more. Letters or digits at the very end are the word being typed.
        """
        return read_context(text, self.encode, end_id=self.end_id)

    def opening(self, text: str) -> str:
        """What the next token must begin with: the word being typed, '' where there is none."""
        return cut_typed(text)[1]

    def completions(self, prefix: str) -> NDArray[np.intp]:
        """Ids of the words that begin with `prefix`, as `context` gives it, in alphabetical order; special tokens never do.

        Hangul is compared as it is typed, letter by letter: a syllable still being composed begins the words that it may become. Either
        apostrophe begins a word, unless the word is there with both.
        """
        typed = typed_letters(printed(prefix))
        if not typed:
            return self._alphabetical
        first = bisect_left(self._letters, typed)
        last = bisect_left(self._letters, typed[:-1] + chr(ord(typed[-1]) + 1), lo=first)  # behind all that begin with `typed`
        found = self._alphabetical[first:last]
        if self._apart and has_apostrophe(prefix):
            return found[[number not in self._apart or begins_as_typed(self.words[number], prefix) for number in found.tolist()]]
        return found

    def spelled(self, ids: Iterable[int], prefix: str) -> list[str]:
        """The words of `completions`, with the apostrophe that `prefix` has."""
        if not has_apostrophe(prefix):
            return [self.words[number] for number in ids]
        return [spelled_as_typed(self.words[number], prefix) for number in ids]

    def begins_with(self, prefix: str) -> NDArray[np.bool_]:
        """Which words are `completions`, (vocabulary,)."""
        begins = np.zeros(len(self.words), np.bool_)
        begins[self.completions(prefix)] = True
        return begins

    def rest(self, opening: str, token: int) -> str:  # noqa: ARG002 - of subwords it depends on both
        """What of `opening` is still to be written behind a token that begins with it: nothing."""
        return ""

    def addition(self, text: str, token: int) -> str:
        """What a token adds to `text`, of which the last character is enough: its word, a space before it where one is needed."""
        word = self.words[token]
        if word == END:
            return "\n"
        if not text or text[-1].isspace():
            return word
        return join_words((text[-1], word))[1:]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of tokens: words joined by spaces, punctuation as it is written, a line end for `END`."""
        return join_words(self.words[number] for number in ids)

    def _unlisted(self, word: str) -> int:
        """The id of a lower-case word that the vocabulary does not have as it is."""
        return self._of_printed.get(printed(word), self.unknown_id)

    @cached_property
    def _library(self) -> Tokenizer:
        """The same in the `tokenizers` library, for other scripts and whole texts."""
        from tokenizers import Tokenizer  # here: it takes 10 MB that most services need not

        return Tokenizer.from_str(self.to_json())


def read_context(text: str, encode: Callable[[str], list[int]], *, end_id: int) -> Context:
    """A text under the cursor as `encode` reads its finished lines; a line end is `end_id`, which is also at the start."""
    finished, prefix = cut_typed(text)
    ids = [end_id]
    for position, line in enumerate(finished.split("\n")):
        if position and ids[-1] != end_id:
            ids.append(end_id)
        if line:
            ids.extend(encode(line))
    return Context(tuple(ids), prefix)


def cut_typed(text: str) -> tuple[str, str]:
    """A text as what is finished, NFC-normalised, and the word being typed, in lower case too; no word begins with a quote."""
    text = unicodedata.normalize("NFC", text)
    cut = len(text)
    while cut and (text[cut - 1].isalnum() or text[cut - 1] in APOSTROPHES or unicodedata.category(text[cut - 1])[0] == "M"):
        cut -= 1
    prefix = text[cut:].lstrip(APOSTROPHES)
    return text[: len(text) - len(prefix)], "".join(map(str.lower, prefix))  # letter by letter, as the `tokenizers` library does


def _file_text(vocabulary: Mapping[str, int]) -> str:
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocabulary[token], "content": token, **special} for token in SPECIAL if token in vocabulary],
        "normalizer": _NORMALIZER,
        "pre_tokenizer": _SPLITTER,
        "post_processor": None,
        "decoder": None,
        "model": {"type": _MODEL, "vocab": vocabulary, "unk_token": UNKNOWN},
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def join_words(words: Iterable[str]) -> str:
    """Words and marks as a text: a space between words, none before a comma or after an opening bracket, a line end for `END`."""
    text = ""
    for word in words:
        if word == END:
            text += "\n"
        elif not text or text[-1] == "\n" or word in _NO_SPACE_BEFORE or text[-1] in _NO_SPACE_AFTER:
            text += word
        else:
            text += " " + word
    return text

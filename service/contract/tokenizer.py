"""Words <-> token ids: a `tokenizers` file (tokenizer.json) read the same way in training and serving."""

from __future__ import annotations

import json
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from service.contract.manifest import ArtifactError

END = "</s>"
"""Ends a sentence (a line) and begins a text."""
UNKNOWN = "<unk>"
"""Stands for every word out of the vocabulary."""
SPECIAL = (END, UNKNOWN)
WORD_PATTERN = r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:]\d+)*|[^\w\s]"
"""A word (with inner apostrophes), a number, or one mark of punctuation."""
_APOSTROPHES = "'’"
_NO_SPACE_BEFORE = frozenset(".,;:!?)]}%’'”")
_NO_SPACE_AFTER = frozenset("([{‘“$#")


@dataclass(frozen=True, slots=True)
class Context:
    """A text as a model reads it: tokens of the finished words, and the letters of the word being typed ('' after a space)."""

    ids: tuple[int, ...]
    prefix: str


class WordTokenizer:
    """Word-level tokens of lower-cased, NFC-normalised text; a line end is the token `END`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap a `tokenizers.Tokenizer` that holds the special tokens.

        Raises:
            ArtifactError: a special token is missing.
        """
        self._tokenizer = tokenizer
        self.words: tuple[str, ...] = tuple(word for word, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))
        self._sorted = sorted((word, number) for number, word in enumerate(self.words) if word not in SPECIAL)
        self.end_id = self._id_of(END)
        self.unknown_id = self._id_of(UNKNOWN)

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int) -> WordTokenizer:
        """The `vocabulary` most frequent words of `lines`, special tokens included; equal counts in alphabetical order."""
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="removed", invert=True)
        trainer = trainers.WordLevelTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
        tokenizer.train_from_iterator(lines, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path) -> WordTokenizer:
        """Read tokenizer.json.

        Raises:
            ArtifactError: not a tokenizer file, or one without the special tokens.
        """
        try:
            return cls(Tokenizer.from_file(str(path)))
        except ArtifactError:
            raise
        except Exception as error:  # tokenizers raises bare Exception for every malformed file
            raise ArtifactError(f"{path.name} is not a tokenizer file: {error}") from error

    def to_json(self) -> str:
        """The text of tokenizer.json."""
        return json.dumps(json.loads(self._tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))

    def __len__(self) -> int:
        """Tokens, special ones included."""
        return len(self.words)

    def encode(self, line: str) -> list[int]:
        """Ids of the words of one line, without `END`."""
        return list(self._tokenizer.encode(line).ids)

    def encode_lines(self, lines: Iterable[str]) -> list[list[int]]:
        """Ids of the words of each line, without `END`; on all cores."""
        return [list(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(list(lines))]

    def context(self, text: str) -> Context:
        """Split a text under the cursor into tokens and the word being typed.

        The tokens begin with `END`; each line end in the text is one more. Letters or digits at the very end are the word being typed.
        """
        text = unicodedata.normalize("NFC", text)
        cut = len(text)
        while cut and (text[cut - 1].isalnum() or text[cut - 1] in _APOSTROPHES):
            cut -= 1
        prefix = text[cut:].lstrip(_APOSTROPHES)  # no word begins with a quote
        finished = text[: len(text) - len(prefix)]
        ids = [self.end_id]
        for position, line in enumerate(finished.split("\n")):
            if position and ids[-1] != self.end_id:
                ids.append(self.end_id)
            ids.extend(self.encode(line))
        return Context(tuple(ids), prefix.lower())

    def begins_with(self, prefix: str) -> NDArray[np.bool_]:
        """Which words begin with `prefix`, as `context` gives it, (vocabulary,); special tokens never do."""
        begins = np.zeros(len(self.words), np.bool_)
        first = bisect_left(self._sorted, (prefix,))
        for word, number in islice(self._sorted, first, None):
            if not word.startswith(prefix):
                break
            begins[number] = True
        return begins

    def decode(self, ids: Iterable[int]) -> str:
        """The text of tokens: words joined by spaces, punctuation as it is written, a line end for `END`."""
        return join_words(self.words[number] for number in ids)

    def _id_of(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ArtifactError(f"tokenizer.json has no token {token!r}")
        return int(number)


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

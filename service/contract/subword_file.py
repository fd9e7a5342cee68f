"""tokenizer.json of byte pair encoding, as the `tokenizers` library has it: how it splits texts, how it is learned, written and read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.contract.manifest import ArtifactError
from service.contract.tokenizer import SPECIAL

SPACE = "▁"
"""Stands for a space, and begins every line."""
BYTES = {f"<0x{number:02X}>": number for number in range(256)}
"""Tokens of characters that have none of their own: the bytes of UTF-8."""
MIN_VOCABULARY = 300
"""Tokens that a vocabulary has room for at least: the special ones, the bytes, and letters."""
MAX_FILE_BYTES = 64_000_000
MAX_PIECE = 24
"""Characters of the longest piece that is learned."""
COVERAGE = 0.9995
"""Share of a text that the characters with a token of their own make."""
_BLANKS = rf"[\s{SPACE}]+"
_WORD = rf"{SPACE}?(?:[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:]\d+)*|[^\w{SPACE}])"
"""What no piece goes beyond: a word, a number or one mark, with the space before it."""
_NORMALIZER = {
    "type": "Sequence",
    "normalizers": [
        {"type": "NFC"},
        {"type": "Lowercase"},
        {"type": "Replace", "pattern": {"Regex": rf"\A{_BLANKS}|{_BLANKS}\z"}, "content": ""},
        {"type": "Replace", "pattern": {"Regex": _BLANKS}, "content": SPACE},
        {"type": "Prepend", "prepend": SPACE},
    ],
}
_SPLITTER = {"type": "Split", "pattern": {"Regex": _WORD}, "behavior": "Isolated", "invert": False}
_MODEL = "BPE"

Pieces = tuple[dict[str, int], list[tuple[str, str]]]
"""Piece -> id, and the pairs of pieces that are joined, in their order."""


def learn_pieces(lines: Iterable[str], *, vocabulary: int) -> Pieces:
    """At most `vocabulary` pieces of `lines`, special tokens and bytes included: characters, then pairs, the most frequent first.

    Characters beyond a share of `COVERAGE` of the text are left to the bytes; nothing is learned from words that have them.
    """
    from tokenizers import Tokenizer, trainers  # here: it takes 10 MB that services without subwords need not

    tokenizer = Tokenizer.from_str(file_text({}, []))
    normalized = [tokenizer.normalizer.normalize_str(line) for line in lines]
    tokenizer.normalizer = None
    alphabet = _alphabet(normalized, room=(vocabulary - len(SPECIAL) - len(BYTES)) // 2)
    known = (SPACE.join(word for word in line.split(SPACE) if alphabet.issuperset(word)) for line in normalized)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[*SPECIAL, *BYTES],
        initial_alphabet=[SPACE],
        max_token_length=MAX_PIECE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(known, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [(first, second) for first, second in model["merges"]]


def read_pieces(path: Path) -> Pieces:
    """The pieces of tokenizer.json.

    Raises:
        ArtifactError: not a tokenizer file, one over `MAX_FILE_BYTES`, or one that splits text in another way than `file_text` says.
    """
    try:
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise ArtifactError(f"{path.name} has {size} bytes, over {MAX_FILE_BYTES}: train with a smaller vocabulary")
        content = json.loads(path.read_bytes())
        model = content["model"]
        found = (content["normalizer"], content["pre_tokenizer"], model["type"], model.get("byte_fallback"))
        if found != (_NORMALIZER, _SPLITTER, _MODEL, True):
            raise ArtifactError(f"{path.name} does not split text into lower-case subwords: publish the model again")
        return _strings(model["vocab"]), [(first, second) for first, second in model["merges"]]
    except ArtifactError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path.name} is not a tokenizer file: {error!r}") from error


def file_text(vocabulary: Mapping[str, int], merges: Sequence[Sequence[str]]) -> str:
    """The text of tokenizer.json; special tokens are not among the added ones, so that no text is read as one."""
    content: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": _NORMALIZER,
        "pre_tokenizer": _SPLITTER,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": _MODEL,
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _alphabet(lines: Iterable[str], *, room: int) -> set[str]:
    """The characters that make a share of `COVERAGE` of a text, the most frequent ones, at most `room`."""
    counts = Counter[str]()
    for line in lines:
        counts.update(line)
    missing, enough = counts.total(), (1 - COVERAGE) * counts.total()
    alphabet = set[str]()
    for character in sorted(counts, key=lambda one: (-counts[one], one))[:room]:
        if missing <= enough:
            break
        alphabet.add(character)
        missing -= counts[character]
    return alphabet


def _strings(vocabulary: dict[Any, Any]) -> dict[str, int]:
    for piece in vocabulary:
        piece.encode()  # a lone surrogate raises
    return dict(vocabulary)

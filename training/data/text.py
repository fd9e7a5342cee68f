"""A text -> tokens to learn the next word from."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np

from service.contract.manifest import Data
from service.contract.subwords import AnyTokenizer, SubwordTokenizer
from service.contract.tokenizer import WordTokenizer
from training.config import NextWordConfig
from training.data.files import DataError, fingerprint, open_data, source_name
from training.data.forms import surface_forms, word_count
from training.data.token_batches import Ids
from training.metrics import perplexity, top_k_accuracy

Lines = list[list[int]]
Documents = list[list[str]]
"""A text as documents of lines that are not blank."""


@dataclass(frozen=True, slots=True)
class TextData:
    """A text in three splits: as lines of token ids, and as one stream of ids, each line ended by END and END at the start.

    `starts` holds the places in each stream at which a document begins, the END before its first line; `unknown_share` says of each split
    which share of its tokens is not in the vocabulary, which is made of the training lines; `forms` how words are written that have
    capitals; `test_words` how many words, marks and line ends the test split has, however the tokenizer cuts them.
    """

    tokenizer: AnyTokenizer
    train: Ids
    validation: Ids
    test: Ids
    train_lines: Lines
    validation_lines: Lines
    test_lines: Lines
    starts: dict[str, Ids]
    unknown_share: dict[str, float]
    forms: dict[str, str]
    test_words: int
    data: Data


def read_text(config: NextWordConfig, *, echo: Callable[[str], None]) -> TextData:
    """Read a text, one sentence or paragraph a line, with documents as the configuration parts them; blank lines are dropped.

    The last lines are the test split, those before them the validation split, unless these have files of their own; documents stay whole.
    Where a share is 0 and no file is given, the training lines serve for validation, the validation lines for the scores.

    Raises:
        DataError: not UTF-8, or too small to split.
    """
    sources = _sources(config)
    paths = {split: open_data(source) for split, source in sources.items()}
    texts = _split({split: _read_documents(path, config) for split, path in paths.items()}, config, paths["train"].name)
    tokenizer = _trained_tokenizer(chain.from_iterable(texts["train"]), config)
    found = {split: _encoded(own, tokenizer) for split, own in texts.items()}
    for split, own in found.items():
        if not own:
            raise DataError(f"{paths.get(split, paths['train']).name}: no words for {split}: give a larger text, or a share of 0")
    tokens = sum(len(line) + 1 for own in found.values() for document in own for line in document)
    for split, instead in (("validation", "train"), ("test", "validation")):
        texts.setdefault(split, texts[instead])
        found.setdefault(split, found[instead])
    lines = {split: list(chain.from_iterable(own)) for split, own in found.items()}
    unknown = {split: _unknown_share(own, tokenizer.unknown_id) for split, own in lines.items()}
    description = _description(lines, len(tokenizer), unknown["test"])
    echo(f"{paths['train'].name}: {description}")
    return TextData(
        tokenizer=tokenizer,
        train=_stream(lines["train"], tokenizer.end_id),
        validation=_stream(lines["validation"], tokenizer.end_id),
        test=_stream(lines["test"], tokenizer.end_id),
        train_lines=lines["train"],
        validation_lines=lines["validation"],
        test_lines=lines["test"],
        starts={split: _starts(own) for split, own in found.items()},
        unknown_share=unknown,
        forms=surface_forms(chain.from_iterable(texts["train"]), frozenset(tokenizer.words)) if config.tokens == "words" else {},
        test_words=word_count(chain.from_iterable(texts["test"])),
        data=_data(sources, config, rows=tokens, description=description),
    )


def baseline_most_frequent(text: TextData, *, last: bool = False) -> dict[str, float]:
    """Measures, on the test split, of always suggesting the commonest words of the training split; `last`: of each line's last word only.

    Perplexity is over all tokens, END and unknown words included, by their frequencies in training plus one; top-1 and top-3 accuracy
    count words of the vocabulary only, and the special tokens are not suggested.
    """
    train, test = (_last_words(text.train_lines), _last_words(text.test_lines)) if last else (text.train[1:], text.test[1:])
    special = list(text.tokenizer.hidden_ids)
    counts = np.bincount(train, minlength=len(text.tokenizer))
    log_share = np.log((counts + 1) / (len(train) + len(counts)))
    counts[special] = -1
    ranks = np.empty_like(counts)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    words = test[~np.isin(test, special)]
    return {
        "perplexity": perplexity(-float(log_share[test].sum()), len(test)),
        "top1": top_k_accuracy(ranks[words], 1),
        "top3": top_k_accuracy(ranks[words], 3),
    }


def _sources(config: NextWordConfig) -> dict[str, str]:
    """Split -> where it lies, of those that have a file of their own."""
    named = {"train": config.data, "validation": config.validation_data, "test": config.test_data}
    return {split: source for split, source in named.items() if source is not None}


def _read_documents(path: Path, config: NextWordConfig) -> Documents:
    """The documents of a UTF-8 file, gzipped where its name ends in .gz; each line one of its own where blank lines do not part them."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path.name} line {line}: byte {error.start} of the text is not UTF-8: save the text as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {error}: pack it again, or give the plain text") from error
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    if config.documents == "blank-line":
        return [list(document) for filled, document in groupby(lines, key=lambda line: bool(line.strip())) if filled]
    return [[line] for line in lines if line.strip()]


def _split(texts: dict[str, Documents], config: NextWordConfig, name: str) -> dict[str, Documents]:
    """Cut from the end of the training text the splits that have a share and no file of their own."""
    texts = dict(texts)
    count = len(texts["train"])
    for split, share in (("test", config.test), ("validation", config.validation)):
        if split not in texts and share:
            cut = len(texts["train"]) - max(1, round(count * share))
            texts["train"], texts[split] = texts["train"][: max(cut, 0)], texts["train"][max(cut, 0) :]
    if not texts["train"]:
        parts = "documents" if config.documents == "blank-line" else "lines"
        raise DataError(f"{name}: {count} {parts} are too few for the shares of validation and test: give a larger text, or shares of 0")
    return {split: [list(chain.from_iterable(own))] if config.documents == "none" else own for split, own in texts.items()}


def _data(sources: dict[str, str], config: NextWordConfig, *, rows: int, description: str) -> Data:
    return Data(
        source=", ".join(map(source_name, sources.values())),
        sha256=fingerprint(map(open_data, sources.values())),
        rows=rows,
        description=description,
        licence=config.licence,
    )


def _trained_tokenizer(lines: Iterable[str], config: NextWordConfig) -> AnyTokenizer:
    if config.tokens == "subwords":
        return SubwordTokenizer.train(lines, vocabulary=config.vocabulary)
    return WordTokenizer.train(lines, vocabulary=config.vocabulary)


def _encoded(documents: Documents, tokenizer: AnyTokenizer) -> list[Lines]:
    """Ids of the lines of each document; lines and documents without words are dropped."""
    lines = iter(tokenizer.encode_lines(list(chain.from_iterable(documents))))
    found = [[line for line in islice(lines, len(document)) if line] for document in documents]
    return [document for document in found if document]


def _description(lines: dict[str, Lines], vocabulary: int, unknown: float) -> str:
    counts = ", ".join(f"{len(lines[split])} {split}" for split in ("train", "validation", "test"))
    return f"lines: {counts}; vocabulary {vocabulary}; unknown words in the test split {unknown:.1%}"


def _stream(lines: Lines, end_id: int) -> Ids:
    return np.array([end_id, *(word for line in lines for word in (*line, end_id))], np.int64)


def _starts(documents: list[Lines]) -> Ids:
    lengths = [sum(len(line) + 1 for line in document) for document in documents]
    return np.cumsum([0, *lengths[:-1]])


def _unknown_share(lines: Lines, unknown_id: int) -> float:
    return sum(line.count(unknown_id) for line in lines) / sum(map(len, lines))


def _last_words(lines: Lines) -> Ids:
    return np.array([line[-1] for line in lines], np.int64)

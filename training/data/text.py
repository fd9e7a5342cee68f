"""A text -> tokens to learn the next word from."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import Data
from service.contract.tokenizer import WordTokenizer
from training.config import NextWordConfig
from training.data.files import DataError, fingerprint, open_data, source_name
from training.metrics import perplexity, top_k_accuracy

Ids = NDArray[np.int64]
Lines = list[list[int]]
Arrays = tuple[Ids, Ids]
"""Tokens (batch, time), and what follows them."""


@dataclass(frozen=True, slots=True)
class TextData:
    """A text in three splits: as lines of word ids, and as one stream of ids, each line ended by END and END at the start.

    `unknown_share` says of each split which share of its words is not in the vocabulary, which is made of the training lines.
    """

    tokenizer: WordTokenizer
    train: Ids
    validation: Ids
    test: Ids
    train_lines: Lines
    validation_lines: Lines
    test_lines: Lines
    unknown_share: dict[str, float]
    data: Data


def read_text(config: NextWordConfig, *, echo: Callable[[str], None]) -> TextData:
    """Read a text, one sentence or paragraph a line; blank lines are dropped.

    The last lines are the test split, those before them the validation split, unless these have files of their own. Where a share is 0
    and no file is given, the training lines serve for validation, the validation lines for the scores.

    Raises:
        DataError: not UTF-8, or too small to split.
    """
    named = {"train": config.data, "validation": config.validation_data, "test": config.test_data}
    sources = {split: source for split, source in named.items() if source is not None}
    paths = {split: open_data(source) for split, source in sources.items()}
    texts = _split({split: _read_lines(path) for split, path in paths.items()}, config, paths["train"].name)
    tokenizer = WordTokenizer.train(texts["train"], vocabulary=config.vocabulary)
    lines = {split: [line for line in tokenizer.encode_lines(own) if line] for split, own in texts.items()}
    for split, own in lines.items():
        if not own:
            raise DataError(f"{paths.get(split, paths['train']).name}: no words for {split}: give a larger text, or a share of 0")
    tokens = sum(len(line) + 1 for own in lines.values() for line in own)
    lines.setdefault("validation", lines["train"])
    lines.setdefault("test", lines["validation"])
    unknown = {split: _unknown_share(own, tokenizer.unknown_id) for split, own in lines.items()}
    description = _description(lines, len(tokenizer), unknown["test"])
    source = ", ".join(map(source_name, sources.values()))
    echo(f"{paths['train'].name}: {description}")
    return TextData(
        tokenizer=tokenizer,
        train=_stream(lines["train"], tokenizer.end_id),
        validation=_stream(lines["validation"], tokenizer.end_id),
        test=_stream(lines["test"], tokenizer.end_id),
        train_lines=lines["train"],
        validation_lines=lines["validation"],
        test_lines=lines["test"],
        unknown_share=unknown,
        data=Data(source=source, sha256=fingerprint(paths.values()), rows=tokens, description=description, licence=config.licence),
    )


def stream_batches(ids: Ids, *, batch: int, bptt: int) -> Iterator[Arrays]:
    """A stream of ids (tokens,) as parallel streams, `bptt` tokens at a time: tokens and the token after each, both (batch, time).

    Row i of a batch continues row i of the batch before, so that state can be carried over. A short text makes fewer streams, of at least
    `bptt` tokens where it has them. Every token but the first is a target once, save fewer than `batch` at the very end; the last batch
    may be shorter in time.
    """
    streams = max(1, min(batch, (len(ids) - 1) // bptt))
    length = (len(ids) - 1) // streams
    tokens = ids[: streams * length].reshape(streams, length)
    targets = ids[1 : streams * length + 1].reshape(streams, length)
    for start in range(0, length, bptt):
        yield tokens[:, start : start + bptt], targets[:, start : start + bptt]


def line_batches(lines: Sequence[Sequence[int]], *, end_id: int, batch: int, generator: np.random.Generator) -> Iterator[Arrays]:
    """Lines of equal length in random order: END and all words but the last (batch, time), and the last word of each line (batch,)."""
    by_length: dict[int, list[Sequence[int]]] = {}
    for line in lines:
        by_length.setdefault(len(line), []).append(line)
    groups = {length: np.array(group, np.int64)[generator.permutation(len(group))] for length, group in by_length.items()}
    pieces = [(length, start) for length, group in groups.items() for start in range(0, len(group), batch)]
    for position in generator.permutation(len(pieces)):
        length, start = pieces[position]
        rows = groups[length][start : start + batch]
        yield np.concatenate([np.full((len(rows), 1), end_id), rows[:, :-1]], axis=1), rows[:, -1]


def baseline_most_frequent(text: TextData, *, last: bool = False) -> dict[str, float]:
    """Measures, on the test split, of always suggesting the commonest words of the training split; `last`: of each line's last word only.

    Perplexity is over all tokens, END and unknown words included, by their frequencies in training plus one; top-1 and top-3 accuracy
    count words of the vocabulary only, and the special tokens are not suggested.
    """
    train, test = (_last_words(text.train_lines), _last_words(text.test_lines)) if last else (text.train[1:], text.test[1:])
    special = [text.tokenizer.end_id, text.tokenizer.unknown_id]
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


def _read_lines(path: Path) -> list[str]:
    """Lines that are not blank, of a UTF-8 file, gzipped where its name ends in .gz."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path.name} line {line}: byte {error.start} of the text is not UTF-8: save the text as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {error}: pack it again, or give the plain text") from error
    return [line for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")) if line.strip()]


def _split(texts: dict[str, list[str]], config: NextWordConfig, name: str) -> dict[str, list[str]]:
    """Cut from the end of the training text the splits that have a share and no file of their own."""
    texts = dict(texts)
    count = len(texts["train"])
    for split, share in (("test", config.test), ("validation", config.validation)):
        if split not in texts and share:
            cut = len(texts["train"]) - max(1, round(count * share))
            texts["train"], texts[split] = texts["train"][: max(cut, 0)], texts["train"][max(cut, 0) :]
    if not texts["train"]:
        raise DataError(f"{name}: {count} lines are too few for the shares of validation and test: give a larger text, or shares of 0")
    return texts


def _description(lines: dict[str, Lines], vocabulary: int, unknown: float) -> str:
    counts = ", ".join(f"{len(lines[split])} {split}" for split in ("train", "validation", "test"))
    return f"lines: {counts}; vocabulary {vocabulary}; unknown words in the test split {unknown:.1%}"


def _stream(lines: Lines, end_id: int) -> Ids:
    return np.array([end_id, *(word for line in lines for word in (*line, end_id))], np.int64)


def _unknown_share(lines: Lines, unknown_id: int) -> float:
    return sum(line.count(unknown_id) for line in lines) / sum(map(len, lines))


def _last_words(lines: Lines) -> Ids:
    return np.array([line[-1] for line in lines], np.int64)

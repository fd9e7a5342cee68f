"""Streams of token ids -> what is learned from at once: stretches of one long text, or whole documents side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Arrays = tuple[Ids, Ids]
"""Tokens (batch, time), and what follows them."""

NO_TARGET = -1
"""Follows the tokens that only fill up a row: nothing is learned from them."""


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens and targets (batch, time), targets of `NO_TARGET` not to be learned; `begins`: its rows do not go on from those before."""

    tokens: Ids
    targets: Ids
    begins: bool


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


def stream_windows(ids: Ids, *, batch: int, bptt: int) -> Iterator[Window]:
    """`stream_batches`, the first of which begins."""
    for number, (tokens, targets) in enumerate(stream_batches(ids, batch=batch, bptt=bptt)):
        yield Window(tokens, targets, number == 0)


def document_windows(ids: Ids, starts: Ids, *, batch: int, bptt: int, generator: np.random.Generator) -> Iterator[Window]:
    """Documents of a stream as rows, each read whole from a state of zero, at most `bptt` tokens at a time.

    Documents of about one length are side by side, so that little is filled up: `batch` of them, or more where they are short, for
    about as many tokens. Which ones, and in what order, is drawn from `generator`, how many windows there are is not.
    """
    documents = cut_documents(ids, starts)
    order = generator.permutation(len(documents))
    order = order[np.argsort([len(documents[number]) for number in order], kind="stable")]
    groups = _groups([documents[number] for number in order], batch=batch, tokens=batch * bptt)
    for place in generator.permutation(len(groups)):
        tokens, targets = side_by_side(groups[place])
        pieces = -(-tokens.shape[1] // bptt)
        pairs = zip(np.array_split(tokens, pieces, axis=1), np.array_split(targets, pieces, axis=1), strict=True)
        for number, (some_tokens, some_targets) in enumerate(pairs):
            yield Window(some_tokens, some_targets, number == 0)


def reading_rows(ids: Ids, starts: Ids, *, streams: int) -> list[Ids]:
    """A stream as rows to be read one token after the other, the longest first: its documents, or `streams` stretches of one document.

    Every token but the first of a row is predicted; no token of the stream is left out.
    """
    if len(starts) > 1:
        return sorted(cut_documents(ids, starts), key=len, reverse=True)
    pieces = np.array_split(np.arange(len(ids) - 1), max(1, min(streams, len(ids) - 1)))
    return [ids[piece[0] : piece[-1] + 2] for piece in pieces]


def cut_documents(ids: Ids, starts: Ids) -> list[Ids]:
    """Each document with the line end that it begins with and the one that ends it."""
    ends = [*starts[1:], len(ids) - 1]
    return [ids[start : end + 1] for start, end in zip(starts, ends, strict=True)]


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


def _groups(documents: Sequence[Ids], *, batch: int, tokens: int) -> list[Sequence[Ids]]:
    """Documents, the shortest first, in groups of `batch`, or of as many as have at most so many tokens where that is more."""
    groups: list[Sequence[Ids]] = []
    begin = 0
    for place, document in enumerate(documents):
        rows = place - begin + 1
        if rows > batch and rows * (len(document) - 1) > tokens:
            groups.append(documents[begin:place])
            begin = place
    return [*groups, documents[begin:]]


def side_by_side(documents: Sequence[Ids]) -> Arrays:
    """Tokens and targets of documents (documents, the longest), shorter ones filled up with tokens that `NO_TARGET` follows."""
    longest = max(map(len, documents)) - 1
    tokens = np.full((len(documents), longest), documents[0][0])
    targets = np.full((len(documents), longest), NO_TARGET)
    for row, document in enumerate(documents):
        tokens[row, : len(document) - 1] = document[:-1]
        targets[row, : len(document) - 1] = document[1:]
    return tokens, targets

"""What a next-word model knows behind a text, and how it reads on.

A text is read in pieces of a few lengths, so that requests with different numbers of new tokens meet in the same steps. What was read may
be remembered by digests of its tokens and of its text: a text that goes on from it costs its new tokens, one that was read before none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import Manifest, NextWordTask, Pointer
from service.tasks.dialogue import Dialogue, Step
from service.tasks.place import Known, Place, Stretch, Text, Tokenizer, last_known, left_out
from service.tasks.trail import Trail, extended

LogProbs = NDArray[np.float32]
Words = Sequence[tuple[str, float]]
"""Words and their probabilities."""

PIECES = (64, 16, 4, 1)
"""Tokens of one step: as many as there are, of the longest piece first."""
_LOG_PROBS = "log_probs"
_VECTORS = "vectors"


@dataclass(frozen=True, slots=True)
class Carried:
    """What a model carries from one token to the next, by names of the graph's inputs, (1, layers, hidden); `trail` as of `Reading`."""

    state: Tensors
    trail: Trail | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A text that was read: what may follow, and the state to go on from.

    `log_probs` (vocabulary,) are natural logs of the next token's probabilities, read-only, as graph and pointer cache say, special tokens
    included. `state` has the names of the graph's inputs, (1, layers, hidden). `trail` is None where the model has no pointer cache,
    `key`, the digest of the tokens, where nothing is remembered.
    """

    log_probs: LogProbs
    state: Tensors
    trail: Trail | None = None
    key: bytes | None = None


class Memory(Protocol):
    """What a model has read before, by digests of tokens and of texts. Any thread may ask it."""

    def place(self, text: bytes) -> Place | None:
        """Where a finished text stands."""
        ...

    def carried(self, tokens: bytes) -> Carried | None:
        """What the model carried behind these tokens."""
        ...

    def log_probs(self, tokens: bytes) -> LogProbs | None:
        """What may follow these tokens."""
        ...

    def words(self, search: bytes) -> Words | None:
        """What a search for words found."""
        ...

    def keep_place(self, text: bytes, place: Place) -> None:
        """Remember where a finished text stands."""
        ...

    def keep_carried(self, tokens: bytes, carried: Carried) -> None:
        """Remember what the model carries behind these tokens."""
        ...

    def keep_log_probs(self, tokens: bytes, log_probs: LogProbs) -> None:
        """Remember what may follow these tokens."""
        ...

    def keep_words(self, search: bytes, words: Words) -> None:
        """Remember what a search for words found."""
        ...

    def count(self, *, read: int, spared: int) -> None:
        """Take notice of a text of which so many tokens were read, and so many were not since they had been before."""
        ...


class _ForgottenError(LookupError):
    """Nothing is known of the tokens before a stretch."""


def read(manifest: Manifest, ids: Sequence[int], memory: Memory | None = None) -> Dialogue[Reading]:
    """What may follow these tokens, at least one, but for those `left_out`; memory spares what was read before."""
    ids = ids[left_out(len(ids)) :]
    if memory is None:
        return (yield from _read_on(manifest, _blank(manifest), ids, keep=_forget))
    return (yield from _remembered(manifest, Stretch.behind(_start(manifest), ids), memory))


def read_text(manifest: Manifest, tokenizer: Tokenizer, text: str, memory: Memory | None = None) -> Dialogue[tuple[Reading, str]]:
    """What may follow the finished words and marks of a text, and the word being typed at its end, '' where there is none."""
    split = Text.of(tokenizer, text)
    start = _start(manifest)
    if memory is None:
        return (yield from read(manifest, [*split.tokens(tokenizer, start, 0), *split.tail])), split.prefix
    known = last_known(split.finished, start, memory.place)
    try:
        reading = yield from _behind(manifest, tokenizer, split, known, memory)
    except _ForgottenError:
        reading = yield from _behind(manifest, tokenizer, split, Known(start, 0, known.digest), memory)
    return reading, split.prefix


def advance(manifest: Manifest, readings: Sequence[Reading], tokens: Sequence[int]) -> Dialogue[list[Reading]]:
    """Each reading with one token more, all of them in one step."""
    state = {name: np.concatenate([reading.state[name] for reading in readings]) for name in manifest.state}
    numbers = np.array(tokens, np.int64)[:, None]  # (readings, 1)
    outputs = yield Step({"tokens": numbers, **state}, _wanted(manifest))
    return [
        _reading(manifest, outputs, row, _carried(manifest, outputs, row, reading.trail, numbers[row]))
        for row, reading in enumerate(readings)
    ]


def without_pointer(manifest: Manifest) -> Manifest:
    """The same model without its pointer cache: what it reads is remembered apart."""
    if _pointer(manifest) is None:
        return manifest
    return manifest.model_copy(update={"task": manifest.task.model_copy(update={"pointer": None})})


def pieces(tokens: int) -> Iterator[int]:
    """Lengths in which so many tokens are read."""
    for length in PIECES:
        yield from [length] * (tokens // length)
        tokens %= length


def _behind(manifest: Manifest, tokenizer: Tokenizer, text: Text, known: Known, memory: Memory) -> Dialogue[Reading]:
    """Read what is behind a known place, and remember where the text stands.

    Raises:
        _ForgottenError: the text has to be read from its start.
    """
    finished = text.tokens(tokenizer, known.place, known.stop)
    stretch = Stretch.behind(known.place, [*finished, *text.tail])
    if left_out(stretch.tokens):  # the first tokens are left out, so that places do not stand where they stood
        if known.place.tokens:
            raise _ForgottenError
        return (yield from read(manifest, stretch.ids, memory))
    reading = yield from _remembered(manifest, stretch, memory)
    if finished:
        memory.keep_place(known.digest, stretch.after(len(finished), end_id=tokenizer.end_id))
    return reading


def _remembered(manifest: Manifest, stretch: Stretch, memory: Memory) -> Dialogue[Reading]:
    """Read of a stretch what memory does not know, and have it remembered.

    Raises:
        _ForgottenError: nothing of it is known, and it does not begin at a start.
    """
    carried = memory.carried(stretch.keys[-1])
    log_probs = None if carried is None else memory.log_probs(stretch.keys[-1])
    if carried is not None and log_probs is not None:
        memory.count(read=0, spared=stretch.tokens)
        return Reading(log_probs, carried.state, carried.trail, stretch.keys[-1])
    position, carried = _newest(manifest, stretch, memory)
    keys = stretch.keys[position + 1 :]
    reading = yield from _read_on(
        manifest, carried, stretch.ids[position:], keep=lambda read, then: memory.keep_carried(keys[read - 1], then)
    )
    memory.keep_log_probs(keys[-1], reading.log_probs)
    memory.count(read=len(keys), spared=stretch.tokens - len(keys))
    return replace(reading, key=keys[-1])


def _newest(manifest: Manifest, stretch: Stretch, memory: Memory) -> tuple[int, Carried]:
    """The most tokens of a stretch, but for the last, behind which it is known what the model carried, and that."""
    for position in range(len(stretch.ids) - 1, -1, -1):
        carried = memory.carried(stretch.keys[position])
        if carried is not None:
            return position, carried
    if stretch.place.tokens:
        raise _ForgottenError
    return 0, _blank(manifest)


def _read_on(manifest: Manifest, carried: Carried, ids: Sequence[int], *, keep: Callable[[int, Carried], None]) -> Dialogue[Reading]:
    """Read these tokens, at least one; `keep` is told what the model carries behind so many of them."""
    tokens = np.array(ids, np.int64)
    stop = 0
    outputs: Tensors = {}
    for length in pieces(len(tokens)):
        piece = tokens[stop : stop + length]
        stop += length
        outputs = yield Step({"tokens": piece[None], **carried.state}, _wanted(manifest))
        carried = _carried(manifest, outputs, 0, carried.trail, piece)
        keep(stop, carried)
    return _reading(manifest, outputs, 0, carried)


def _forget(_read: int, _carried: Carried) -> None:
    """Keep nothing."""


def _wanted(manifest: Manifest) -> tuple[str, ...]:
    """Outputs that every step is asked for: the same ones, so that steps of one length run together, whoever has more to read."""
    vectors = (_VECTORS,) if _pointer(manifest) else ()
    return (_LOG_PROBS, *manifest.state.values(), *vectors)


def _carried(manifest: Manifest, outputs: Tensors, row: int, trail: Trail | None, tokens: NDArray[np.int64]) -> Carried:
    """What the model carries behind the tokens of a row, (time,), which followed a trail."""
    state = {before: outputs[after][row : row + 1] for before, after in manifest.state.items()}
    pointer = _pointer(manifest)
    if pointer is None:
        return Carried(state)
    return Carried(state, extended(trail, outputs[_VECTORS][row], tokens, window=pointer.window))


def _reading(manifest: Manifest, outputs: Tensors, row: int, carried: Carried) -> Reading:
    log_probs: LogProbs = outputs[_LOG_PROBS][row]
    pointer = _pointer(manifest)
    if pointer is not None and carried.trail is not None:
        log_probs = carried.trail.mixed(log_probs, pointer)
    log_probs.flags.writeable = False  # it may be remembered
    return Reading(log_probs, carried.state, carried.trail)


def _pointer(manifest: Manifest) -> Pointer | None:
    return manifest.task.pointer if isinstance(manifest.task, NextWordTask) else None


def _start(manifest: Manifest) -> Place:
    """Where texts begin; others with a pointer cache than without, since their log-probabilities differ."""
    return Place(b"graph" if _pointer(manifest) is None else b"pointer")


def _blank(manifest: Manifest) -> Carried:
    """What a model carries at a start: states of zero."""
    shapes = {spec.name: spec.shape[1:] for spec in manifest.inputs}
    return Carried({name: np.zeros((1, *shapes[name]), np.float32) for name in manifest.state})

"""The pointer to recent words (continuous cache: Grave et al. 2017): how much of it pays, and what it makes of a graph's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from service.contract.manifest import Pointer
from training.data.token_batches import NO_TARGET, Ids, side_by_side
from training.networks.next_word import NextWordModel
from training.networks.recurrence import State

Values = NDArray[np.float32]

SHARPNESS = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
SHARES = (0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3)
LEAST_GAIN = 0.002
"""Nats a token that it must gain on the validation split to be published; it costs a product with the recent vectors."""
ROWS_AT_ONCE = 16
STEPS_AT_ONCE = 128
SMALLEST = 1e-30


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that a network has read: vectors of unit length behind its tokens (tokens, width), what followed each, its log-probability."""

    vectors: Tensor
    targets: Tensor
    log_probs: Tensor


def tune_pointer(passages: Iterable[Passage], *, window: int) -> Pointer | None:
    """The sharpness and the share under which passages are likeliest; None where no pointer gains as much as it must."""
    shares = torch.tensor(SHARES)[:, None]
    gains, tokens = torch.zeros(len(SHARPNESS), len(SHARES)), 0
    for passage in passages:
        before = passage.log_probs.exp()
        for number, copied in enumerate(_copied(passage, window)):
            copied[:1] = before[:1]  # nothing was read before
            mixed = ((1 - shares) * before + shares * copied).clamp_min(SMALLEST)  # (shares, tokens)
            gains[number] += (mixed.log() - passage.log_probs).sum(dim=1)
        tokens += len(passage.targets)
    best = int(gains.argmax())
    if tokens == 0 or float(gains.max()) / tokens < LEAST_GAIN:
        return None
    return Pointer(window=window, sharpness=SHARPNESS[best // len(SHARES)], share=SHARES[best % len(SHARES)])


def passages(network: NextWordModel, rows: Sequence[Ids]) -> Iterator[Passage]:
    """`rows` of tokens as a network in evaluation mode, on the CPU, reads them from states of zero."""
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        group = rows[begin : begin + ROWS_AT_ONCE]
        tokens, targets = map(torch.from_numpy, side_by_side(group))
        vectors, log_probs = _read(network, tokens, targets)
        for row, own in enumerate(group):
            length = len(own) - 1
            yield Passage(vectors[row, :length], targets[row, :length], log_probs[row, :length])


class Pointing:
    """The recent positions of each row of a batch, and what they make of the graph's words."""

    def __init__(self, pointer: Pointer, rows: int) -> None:
        self._pointer = pointer
        self._vectors: Values = np.empty((rows, pointer.window, 0), np.float32)
        self._tokens = np.zeros((rows, pointer.window), np.int64)
        self._count = 0

    def mixed(self, log_probs: Values, vectors: Values) -> Values:
        """Log-probabilities (rows, vocabulary) of graph and pointer after the last position, `vectors` (rows, width) being behind it.

        Rows are the first of those so far; the others have ended.
        """
        rows, seen = len(log_probs), min(self._count, self._pointer.window)
        if not seen:
            return log_probs
        likeness = (self._vectors[:rows, :seen] @ vectors[:, :, None])[..., 0]
        weights = np.exp(self._pointer.sharpness * (likeness - likeness.max(axis=1, keepdims=True)))  # (rows, seen)
        weights *= self._pointer.share / weights.sum(axis=1, keepdims=True)
        probs = (1 - self._pointer.share) * np.exp(log_probs)
        np.add.at(probs, (np.arange(rows)[:, None], self._tokens[:rows, :seen]), weights)
        mixed: Values = np.log(np.maximum(probs, SMALLEST))
        return mixed

    def add(self, vectors: Values, tokens: NDArray[np.int64]) -> None:
        """Remember a position of each row: the vector behind it (rows, width), and the token that followed (rows,)."""
        if not self._count:
            self._vectors = np.empty((*self._tokens.shape, vectors.shape[1]), np.float32)
        place = self._count % self._pointer.window
        self._vectors[: len(vectors), place] = vectors
        self._tokens[: len(tokens), place] = tokens
        self._count += 1


def _copied(passage: Passage, window: int) -> Tensor:
    """Share of each target among the weights of the positions before it, (sharpness, tokens)."""
    vectors, targets, length = passage.vectors, passage.targets, len(passage.targets)
    found = torch.zeros(len(SHARPNESS), length)
    for begin in range(0, length, STEPS_AT_ONCE):
        end, first = min(begin + STEPS_AT_ONCE, length), max(0, begin - window)
        likeness = vectors[begin:end] @ vectors[first:end].T  # (some, seen)
        back = torch.arange(begin, end)[:, None] - torch.arange(first, end)
        seen = ((back > 0) & (back <= window)).float()
        same = targets[begin:end, None] == targets[first:end]
        for number, sharpness in enumerate(SHARPNESS):
            weights = torch.exp(sharpness * (likeness - 1)) * seen
            found[number, begin:end] = (weights * same).sum(1) / weights.sum(1).clamp_min(SMALLEST)
    return found


def _read(network: NextWordModel, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors of unit length (batch, time, width), and log-probabilities of the targets (batch, time), 0 where there is none."""
    state: State | None = None
    vectors, log_probs = [], []
    with torch.no_grad():
        for begin in range(0, tokens.shape[1], STEPS_AT_ONCE):
            steps = slice(begin, begin + STEPS_AT_ONCE)
            read, state = network.read(tokens[:, steps], state)
            scores = network.output(read)  # (batch, time, vocabulary)
            wanted = targets[:, steps]
            own = scores.gather(2, wanted.clamp_min(0)[..., None])[..., 0] - scores.logsumexp(dim=2)
            vectors.append(F.normalize(read, dim=-1))
            log_probs.append(own.where(wanted != NO_TARGET, 0.0))
    return torch.cat(vectors, dim=1), torch.cat(log_probs, dim=1)

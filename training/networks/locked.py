"""Dropout that is the same at every step of a window (variational dropout: Gal & Ghahramani 2016; Merity et al. 2018)."""

from __future__ import annotations

from torch import Tensor, nn


class LockedDropout(nn.Module):
    """Drops the same columns of a row at all of its steps, in training only."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """`x` (batch, time, width) with a share of its columns 0 and the others larger by as much."""
        if not self.training or not self.share:
            return x
        return x * _kept(x, (x.shape[0], 1, x.shape[2]), self.share)


def drop_words(vectors: Tensor, tokens: Tensor, *, vocabulary: int, share: float) -> Tensor:
    """`vectors` (batch, time, width) of `tokens` (batch, time), those of a share of the vocabulary 0 wherever they stand, others larger."""
    return vectors * _kept(vectors, (vocabulary, 1), share)[tokens]


def _kept(x: Tensor, shape: tuple[int, ...], share: float) -> Tensor:
    """Factors of what is kept and what is dropped."""
    return x.new_empty(shape).bernoulli_(1 - share).div_(1 - share)

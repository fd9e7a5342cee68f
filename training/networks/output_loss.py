"""Cross-entropy of an output layer over a large vocabulary, with its gradients, some rows at a time.

The plain way keeps the scores of all rows and words, their logarithms and the gradient of both, and goes over each several times: at
10,000 words that is half a gigabyte of memory traffic a step. Here the scores of some rows are made, turned into probabilities and then
into the gradient where they lie, and used up while they are in the processor's cache. The softmax is computed once. Words are the first
axis, in which order matrix products of these sizes are faster, that of the scores by half.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

ROWS_AT_ONCE = 560
"""Some twenty megabytes of scores at 10,000 words: they stay in a cache of the third level."""


def output_loss(vectors: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log softmax(weight v + bias)[target] over `vectors` (rows, width) and `targets` (rows,), weight (vocabulary, width).

    It is the same as `F.cross_entropy(F.linear(vectors, weight, bias), targets)`, save that a probability below the smallest number of
    its type counts as that. Gradients have no gradients of their own.
    """
    loss: Tensor = _OutputLoss.apply(vectors, weight, bias, targets)  # type: ignore[no-untyped-call]  # torch has not annotated it
    return loss


class _OutputLoss(Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:  # noqa: ANN401 - torch's context has no type
        """The mean loss; where gradients are wanted they are made here."""
        wanted = any(ctx.needs_input_grad)
        d_vectors, d_weight, d_bias = (
            (torch.empty_like(vectors), torch.zeros_like(weight), torch.zeros_like(bias)) if wanted else (None,) * 3
        )
        loss = vectors.new_zeros(())
        room = vectors.new_empty(len(weight), min(ROWS_AT_ONCE, len(vectors)))
        for begin in range(0, len(vectors), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            some, place = vectors[rows], targets[None, rows]
            shares = _softmax(torch.addmm(bias[:, None], weight, some.T, out=room[:, : len(some)]))  # (vocabulary, rows)
            own = shares.gather(0, place)
            loss -= own.clamp_min(torch.finfo(own.dtype).tiny).log().sum()
            if d_vectors is None or d_weight is None or d_bias is None:
                continue
            shares.scatter_(0, place, own - 1)  # the gradient of the scores, but for the mean
            torch.mm(shares.T, weight, out=d_vectors[rows])
            d_weight.addmm_(shares, some)
            d_bias += shares.sum(1)
        ctx.save_for_backward(d_vectors, d_weight, d_bias)
        return loss / len(vectors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - as above
        """The gradients that `forward` has made, of a mean."""
        d_vectors, d_weight, d_bias = ctx.saved_tensors
        factor = d_loss / len(d_vectors)
        return d_vectors * factor, d_weight * factor, d_bias * factor, None


def _softmax(scores: Tensor) -> Tensor:
    """Of each column, in its place."""
    scores -= scores.amax(dim=0)
    scores.exp_()
    scores /= scores.sum(dim=0)
    return scores

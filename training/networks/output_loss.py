"""Cross-entropy of an output layer over a large vocabulary, with its gradients, some rows at a time.

The plain way keeps the scores of all rows and words, their logarithms and the gradient of both, and goes over each several times: at
10,000 words that is half a gigabyte of memory traffic a step. Here the scores of some rows are made, turned into probabilities and then
into the gradient where they lie, and used up while they are in the processor's cache. The softmax is computed once. Words are the first
axis, in which order matrix products of these sizes are faster, that of the scores by half.

Where a share of the words stands for all of them in a step, most of the arithmetic is saved (Bengio & Senécal 2003; Jean et al. 2015).
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
    loss: Tensor = _OutputLoss.apply(vectors, weight, bias, targets, None)  # type: ignore[no-untyped-call]  # torch has not annotated it
    return loss


def sampled_loss(vectors: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, chances: Tensor) -> Tensor:
    """`output_loss` with the sum over all words estimated from some, each of which is drawn with its own of `chances` (vocabulary,).

    A drawn word counts for 1 / its chance, a row's target for itself, so that the estimate of the sum is right on average. All rows share
    the words that torch's global generator draws.
    """
    chances = chances.to(vectors.device)
    drawn = torch.rand_like(chances) < chances
    words = drawn.index_fill(0, targets, True).nonzero().squeeze(1)
    places = torch.empty_like(chances, dtype=torch.long).index_copy_(0, words, torch.arange(len(words), device=words.device))
    counts = torch.where(drawn, -chances.log(), -torch.inf)[words]  # a target that was not drawn is none of the other rows' words
    loss: Tensor = _OutputLoss.apply(vectors, weight[words], bias[words], places[targets], counts)  # type: ignore[no-untyped-call]  # as above
    return loss


def drawing_chances(counts: Tensor, words: int) -> Tensor | None:
    """Chances (vocabulary,) by which about `words` words are drawn; None where `words` is 0 or they are all there are.

    They rise with the square root of `counts`, how often each word is in the text, up to 1: the spread of the estimated sum is least where
    a word's chance follows the root mean square of what it adds, and a rare word adds much in few places.
    """
    if not 0 < words < len(counts):
        return None
    weights = counts.clamp_min(1).double().sqrt()
    falling = weights.sort(descending=True).values
    rest = falling.flip(0).cumsum(0).flip(0)  # of a word and all rarer ones
    factors = (words - torch.arange(len(weights))) / rest  # what the rest is to be multiplied by where all commoner words are certain
    certain = int((factors * falling > 1).sum())
    return (weights * factors[certain]).clamp(max=1).float()


class _OutputLoss(Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context has no type
        vectors: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        counts: Tensor | None,
    ) -> Tensor:
        """The mean loss; where gradients are wanted they are made here. `counts`: log of how often a word counts beside other targets."""
        wanted = any(ctx.needs_input_grad)
        d_vectors, d_weight, d_bias = (
            (torch.empty_like(vectors), torch.zeros_like(weight), torch.zeros_like(bias)) if wanted else (None,) * 3
        )
        loss = vectors.new_zeros(())
        room = vectors.new_empty(len(weight) * min(ROWS_AT_ONCE, len(vectors)))
        for begin in range(0, len(vectors), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            some, place = vectors[rows], targets[None, rows]
            scores = torch.addmm(bias[:, None], weight, some.T, out=room[: len(weight) * len(some)].view(len(weight), len(some)))
            if counts is not None:
                of_targets = scores.gather(0, place)
                scores.add_(counts[:, None]).scatter_(0, place, of_targets)
            shares = _softmax(scores)  # (words, rows)
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
        return d_vectors * factor, d_weight * factor, d_bias * factor, None, None


def _softmax(scores: Tensor) -> Tensor:
    """Of each column, in its place."""
    scores -= scores.amax(dim=0)
    scores.exp_()
    scores /= scores.sum(dim=0)
    return scores

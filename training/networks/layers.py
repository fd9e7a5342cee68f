"""Recurrent layers as they are trained: one after the other, so that something can be dropped between them and of their weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.cells import run_layer
from training.networks.recurrence import Recurrence, State

LayerWeights = tuple[Tensor, Tensor, Tensor, Tensor]
"""Input weights, recurrent weights and the two biases of a layer."""


def run_dropping(
    layers: nn.Module, x: Tensor, state: State | None, *, recurrence: Recurrence, between: nn.Module, recurrent_dropout: float
) -> tuple[Tensor, State]:
    """What `layers`, built by `recurrence`, give of `x` (batch, time, inputs), with `between` applied between them.

    A share of the weights from state to state is dropped, the same at all steps (DropConnect: Wan et al. 2013; Merity et al. 2018).
    """
    zeros = x.new_zeros(recurrence.layers, x.shape[0], recurrence.hidden)
    h_all, c_all = state if isinstance(state, tuple) else (zeros if state is None else state, zeros)
    last_h, last_c = [], []
    for layer in range(recurrence.layers):
        w, u, b, d = (getattr(layers, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        x, h, c = _run(recurrence, between(x) if layer else x, h_all[layer], c_all[layer], (w, F.dropout(u, recurrent_dropout), b, d))
        last_h.append(h)
        last_c.append(c)
    h_all, c_all = torch.stack(last_h), torch.stack(last_c)
    return x, (h_all, c_all) if recurrence.cell == "lstm" else h_all


def _run(recurrence: Recurrence, x: Tensor, h: Tensor, c: Tensor, weights: LayerWeights) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (batch, time, hidden) of one layer, and the last h and c (batch, hidden)."""
    if recurrence.impl == "equations":
        return run_layer(recurrence.cell, x, h, c, weights)
    match recurrence.cell:
        case "lstm":
            outputs, h_all, c_all = torch.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, True, False, True)
            return outputs, h_all[0], c_all[0]
        case "gru":
            outputs, h_all = torch.gru(x, h[None], weights, True, 1, 0.0, True, False, True)
        case "rnn":
            outputs, h_all = torch.rnn_tanh(x, h[None], weights, True, 1, 0.0, True, False, True)
    return outputs, h_all[0], c

"""The recurrent cells, written out from their equations, and layers of them with torch.nn's parameters and initialisation.

For an input x (batch, input) and a state h (batch, hidden), W being input weights, U recurrent weights, * elementwise:

- RNN (Elman 1990):                           h' = tanh(W x + b + U h + d)
- LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000):
      i = sigmoid(W_i x + b_i + U_i h + d_i)      how much of the candidate is written
      f = sigmoid(W_f x + b_f + U_f h + d_f)      how much of the cell is kept
      g = tanh(W_g x + b_g + U_g h + d_g)         the candidate
      o = sigmoid(W_o x + b_o + U_o h + d_o)      how much of the cell is shown
      c' = f * c + i * g                          the constant error carousel: where f is 1 error flows back unchanged
      h' = o * tanh(c')
- GRU (Cho et al. 2014, as in cuDNN: reset after the product):
      r = sigmoid(W_r x + b_r + U_r h + d_r)      reset
      z = sigmoid(W_z x + b_z + U_z h + d_z)      update
      n = tanh(W_n x + b_n + r * (U_n h + d_n))
      h' = (1 - z) * n + z * h

The gates are stacked along the first axis of each weight, in torch.nn's order (i f g o; r z n), so that weights fit both.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Cell = Literal["lstm", "gru", "rnn"]

GATES: dict[Cell, int] = {"lstm": 4, "gru": 3, "rnn": 1}
"""Weight blocks stacked in each parameter of a cell."""


def rnn_cell(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, d: Tensor) -> Tensor:
    """One step of the vanilla RNN: the next h (batch, hidden)."""
    return torch.tanh(x @ w.T + b + h @ u.T + d)


def lstm_cell(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the LSTM: the next h and c, each (batch, hidden)."""
    i, f, g, o = (x @ w.T + b + h @ u.T + d).chunk(4, dim=1)  # each (batch, hidden)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_cell(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, d: Tensor) -> Tensor:
    """One step of the GRU: the next h (batch, hidden)."""
    from_x_r, from_x_z, from_x_n = (x @ w.T + b).chunk(3, dim=1)
    from_h_r, from_h_z, from_h_n = (h @ u.T + d).chunk(3, dim=1)
    r = torch.sigmoid(from_x_r + from_h_r)
    z = torch.sigmoid(from_x_z + from_h_z)
    n = torch.tanh(from_x_n + r * from_h_n)
    return (1 - z) * n + z * h


def run_layer(cell: Cell, x: Tensor, h: Tensor, c: Tensor, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (batch, time, hidden) of `x` (batch, time, inputs) under weights w u b d, and the last h and c; only the LSTM has a c."""
    w, u, b, d = weights
    outputs = []
    for step in x.unbind(dim=1):  # (batch, inputs)
        match cell:
            case "lstm":
                h, c = lstm_cell(step, h, c, w, u, b, d)
            case "gru":
                h = gru_cell(step, h, w, u, b, d)
            case "rnn":
                h = rnn_cell(step, h, w, u, b, d)
        outputs.append(h)
    return torch.stack(outputs, dim=1), h, c


class EquationLayers(nn.Module):
    """Layers of one of the cells above, step by step through time; in and out as `torch.nn.LSTM | GRU | RNN(batch_first=True)`.

    Its parameters have torch.nn's names, shapes and initialisation,
    uniform(-1/sqrt(hidden), 1/sqrt(hidden)): a state dict of one fits the other.
    """

    def __init__(self, cell: Cell, inputs: int, hidden: int, *, layers: int = 1, dropout: float = 0.0) -> None:
        """`dropout` acts between layers, not after the last."""
        super().__init__()
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.dropout = nn.Dropout(dropout)
        bound = hidden**-0.5
        rows = GATES[cell] * hidden
        for layer in range(layers):
            width = inputs if layer == 0 else hidden
            for name, shape in (("weight_ih", (rows, width)), ("weight_hh", (rows, hidden)), ("bias_ih", (rows,)), ("bias_hh", (rows,))):
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def forward(self, x: Tensor, state: Tensor | tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]:
        """`x` (batch, time, inputs), state (layers, batch, hidden) each -> outputs (batch, time, hidden) and the last state."""
        zeros = x.new_zeros(self.layers, x.shape[0], self.hidden)
        h_all, c_all = state if isinstance(state, tuple) else (zeros if state is None else state, zeros)
        last_h: list[Tensor] = []
        last_c: list[Tensor] = []
        for layer in range(self.layers):
            w, u, b, d = (getattr(self, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            x, h, c = run_layer(self.cell, x, h_all[layer], c_all[layer], (w, u, b, d))
            last_h.append(h)
            last_c.append(c)
            if layer + 1 < self.layers:
                x = self.dropout(x)
        h_all, c_all = torch.stack(last_h), torch.stack(last_c)
        return x, (h_all, c_all) if self.cell == "lstm" else h_all

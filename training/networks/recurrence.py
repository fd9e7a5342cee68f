"""The recurrent layers that every network is built on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn

from training.cells import Cell, EquationLayers

Impl = Literal["torch", "equations"]
State = Tensor | tuple[Tensor, Tensor]
"""h, or h and c of an LSTM, each (layers, batch, hidden)."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The recurrent part of a network."""

    cell: Cell
    hidden: int
    layers: int = 1
    dropout: float = 0.0
    impl: Impl = "torch"

    def build(self, inputs: int) -> nn.Module:
        """Layers that read `inputs` numbers a step, batch first."""
        between = self.dropout if self.layers > 1 else 0.0
        if self.impl == "equations":
            return EquationLayers(self.cell, inputs, self.hidden, layers=self.layers, dropout=between)
        match self.cell:
            case "lstm":
                return nn.LSTM(inputs, self.hidden, self.layers, dropout=between, batch_first=True)
            case "gru":
                return nn.GRU(inputs, self.hidden, self.layers, dropout=between, batch_first=True)
            case "rnn":
                return nn.RNN(inputs, self.hidden, self.layers, dropout=between, batch_first=True)

    def fused(self) -> Recurrence:
        """The same on torch.nn's kernels; weights fit unchanged."""
        return replace(self, impl="torch")

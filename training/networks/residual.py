"""What is learned of a forecast: quantiles of what its base leaves over, in scales of the window."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.bases import BaseForecasts
from training.networks.categories import CategoryVectors, vector_width
from training.networks.forecaster_shape import ForecasterShape

PER_STEP = 32
"""Numbers that the head hands to each step of the horizon."""


class Residual(nn.Module):
    """Recurrent layers over the history, a head, and a forecast that these correct: the base, and a linear map of the history.

    The history is read `segment` steps at once, as SegRNN does (Lin et al. 2023): fewer steps, and a day is seen whole. All steps ahead are
    forecast at once (MQ-RNN, Wen et al. 2017). What is learned starts at zero.
    """

    def __init__(self, shape: ForecasterShape) -> None:
        super().__init__()
        self.shape = shape
        self.recurrent = shape.recurrence.build((2 + shape.past + shape.known) * shape.segment)
        self.categories = CategoryVectors(shape.static) if shape.static else None
        self.head = _head(shape)
        last = nn.Linear(PER_STEP, len(shape.levels))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.step_head = nn.Sequential(nn.Linear(PER_STEP + shape.known, PER_STEP), nn.ReLU(), last)
        self.base = BaseForecasts(shape.bases, context=shape.context, horizon=shape.horizon) if shape.bases else None
        self.skip = nn.Linear(shape.context, shape.horizon, bias=False) if shape.bases else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)

    def forward(self, read: Tensor, ahead: list[Tensor], values: Tensor, observed: Tensor, static: Tensor | None = None) -> Tensor:
        """Quantiles (batch, horizon, levels).

        read (batch, context, columns), ahead (batch, horizon, known) where anything is known, values and observed (batch, context),
        static (batch, static columns) where there are such.
        """
        read = read.reshape(read.shape[0], read.shape[1] // self.shape.segment, -1)  # (batch, context / segment, segment * columns)
        outputs, _ = self.recurrent(read)  # (batch, context / segment, hidden)
        state = outputs[:, -1]
        if self.categories is not None and static is not None:
            state = torch.cat([state, self.categories(static)], dim=-1)
        by_step = self.head(state).reshape(-1, self.shape.horizon, PER_STEP)
        raw = self.step_head(torch.cat([by_step, *ahead], dim=-1))  # (batch, horizon, levels)
        base = values.new_zeros(values.shape[0], self.shape.horizon)
        if self.base is not None and self.skip is not None:
            base = self.base(values, observed) + self.skip(values)
        return self._rising(raw, base)

    def _rising(self, raw: Tensor, base: Tensor) -> Tensor:
        """Levels that never cross: the median, and from it cumulative sums of positive steps outwards."""
        middle = base.unsqueeze(-1) + raw[..., self.shape.median : self.shape.median + 1]
        parts = [middle]
        if self.shape.median + 1 < raw.shape[-1]:  # not an empty slice, whose shape the ONNX exporter gets wrong
            parts.append(middle + torch.cumsum(F.softplus(raw[..., self.shape.median + 1 :]), dim=-1))
        if self.shape.median > 0:
            parts.insert(0, middle - torch.cumsum(F.softplus(raw[..., : self.shape.median]).flip(-1), dim=-1).flip(-1))
        return torch.cat(parts, dim=-1)


def _head(shape: ForecasterShape) -> nn.Sequential:
    hidden, width, dropout = shape.recurrence.hidden, shape.horizon * PER_STEP, nn.Dropout(shape.recurrence.dropout)
    state = hidden + sum(map(vector_width, shape.static))
    if shape.head == "linear":
        return nn.Sequential(dropout, nn.Linear(state, width))
    norm = [nn.BatchNorm1d(hidden)] if shape.batch_norm else []
    return nn.Sequential(nn.Linear(state, hidden), *norm, nn.ReLU(), dropout, nn.Linear(hidden, width))

"""The forecaster: histories in raw units in, quantiles in raw units out; scaling, missing values and bases are part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.recurrence import Recurrence

PER_STEP = 32
"""Numbers that the head hands to each step of the horizon."""
TINY = 1e-30
"""Smallest scale of a window: a series that is all zero is divided by this."""
RELATIVE_FLOOR = 1e-5
"""Smallest scale of a window relative to its level: a constant series is divided by this share of it."""


@dataclass(frozen=True, slots=True)
class ForecasterShape:
    """Architecture of a forecaster.

    `bases` are the lags whose values the forecast starts from: 1 the last value, 24 the value a day before, ...; none: from the level.
    """

    recurrence: Recurrence
    context: int
    horizon: int
    levels: tuple[float, ...]
    past: int = 0
    known: int = 0
    scaling: Literal["window", "standard", "minmax"] = "window"
    head: Literal["linear", "mlp"] = "mlp"
    batch_norm: bool = False
    bases: tuple[int, ...] = ()


class Forecaster(nn.Module):
    """Histories in raw units (NaN where missing) -> rising quantiles in raw units.

    It looks at the last `context` steps, however many it is given, and pads a shorter history with missing values: padding changes nothing.
    """

    def __init__(self, shape: ForecasterShape) -> None:
        """Weights drawn from torch's global generator; the head starts at zero, so an untrained forecaster gives its base forecast."""
        super().__init__()
        self.shape = shape
        self.median = shape.levels.index(0.5)
        for name, width in (("target", 1), ("past", shape.past), ("known", shape.known)):
            self.register_buffer(f"{name}_centre", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))
        self.recurrent = shape.recurrence.build(2 + shape.past + shape.known)
        self.head = self._build_head(shape)
        joint = PER_STEP + shape.known
        last = nn.Linear(PER_STEP, len(shape.levels))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.step_head = nn.Sequential(nn.Linear(joint, PER_STEP), nn.ReLU(), last)
        self.gate = nn.Linear(max(len(shape.bases), 1), max(len(shape.bases), 1))
        with torch.no_grad():
            self.gate.weight.copy_(-2 * torch.eye(max(len(shape.bases), 1)))
            self.gate.bias.zero_()

    @staticmethod
    def _build_head(shape: ForecasterShape) -> nn.Sequential:
        hidden = shape.recurrence.hidden
        steps = shape.horizon * PER_STEP
        if shape.head == "linear":
            return nn.Sequential(nn.Dropout(shape.recurrence.dropout), nn.Linear(hidden, steps))
        norm = [nn.BatchNorm1d(hidden)] if shape.batch_norm else []
        return nn.Sequential(nn.Linear(hidden, hidden), *norm, nn.ReLU(), nn.Dropout(shape.recurrence.dropout), nn.Linear(hidden, steps))

    def forward(self, target: Tensor, past: Tensor | None = None, future: Tensor | None = None) -> Tensor:
        """Quantiles (batch, horizon, levels); target (batch, time), past (batch, time, past), future (batch, time + horizon, known)."""
        context = self.shape.context
        series = _last_steps(target.unsqueeze(-1), context)  # (batch, context, 1)
        centre, scale = self._level(series, "target")  # (batch, 1, 1) each
        observed = ~torch.isnan(series)
        scaled = torch.where(observed, (series - centre) / scale, torch.zeros_like(series))
        steps = [scaled, observed.to(scaled.dtype)]
        ahead = []
        if past is not None:
            steps.append(self._scaled(_last_steps(past, context), "past"))
        if future is not None:
            known = self._scaled(_last_steps(future, context + self.shape.horizon), "known")  # (batch, context + horizon, known)
            steps.append(known[:, :context])
            ahead.append(known[:, context:])
        outputs, _ = self.recurrent(torch.cat(steps, dim=-1))  # (batch, context, hidden)
        by_step = self.head(outputs[:, -1]).reshape(-1, self.shape.horizon, PER_STEP)
        raw = self.step_head(torch.cat([by_step, *ahead], dim=-1))  # (batch, horizon, levels)
        base = self._base(scaled.squeeze(-1), observed.squeeze(-1))  # (batch, horizon)
        quantiles: Tensor = self._rising(raw, base) * scale + centre
        return quantiles

    def scale_of(self, target: Tensor) -> Tensor:
        """The unit (batch, 1) in which the network sees each history (batch, time): errors of series of any size compare in it."""
        return self._level(_last_steps(target.unsqueeze(-1), self.shape.context), "target")[1].squeeze(-1)

    def _level(self, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """Centre and scale of x (batch, time, columns): of each window, or the training data's."""
        if self.shape.scaling != "window":
            return self.get_buffer(f"{name}_centre").expand(x.shape[0], 1, x.shape[2]), self.get_buffer(f"{name}_scale").expand(
                x.shape[0], 1, x.shape[2]
            )
        observed = ~torch.isnan(x)
        count = observed.sum(dim=1, keepdim=True).clamp(min=1)
        filled = torch.where(observed, x, torch.zeros_like(x))
        centre = (filled / count).sum(dim=1, keepdim=True)
        deviation = torch.where(observed, (x - centre).abs(), torch.zeros_like(x))
        scale = (deviation / count).sum(dim=1, keepdim=True)
        return centre, torch.maximum(scale, centre.abs() * RELATIVE_FLOOR).clamp(min=TINY)

    def _scaled(self, x: Tensor, name: str) -> Tensor:
        """Covariates in units of the data's level, 0 where missing; known ones always by the training data's, the calendar by none."""
        if name == "known":
            centre, scale = self.get_buffer("known_centre"), self.get_buffer("known_scale")
        else:
            centre, scale = self._level(x, name)
        return torch.where(torch.isnan(x), torch.zeros_like(x), (x - centre) / scale)

    def _base(self, values: Tensor, observed: Tensor) -> Tensor:
        """What the forecast starts from (batch, horizon), of scaled values (batch, context): bases mixed by their errors in the window."""
        if not self.shape.bases:
            return values.new_zeros(values.shape[0], self.shape.horizon)
        last = _last_observed(values, observed)  # (batch, 1)
        candidates, errors = [], []
        for lag in self.shape.bases:
            candidates.append(
                last.expand(-1, self.shape.horizon) if lag == 1 else _repeat_season(values, observed, last, lag, self.shape.horizon)
            )
            errors.append(_lag_error(values, observed, lag if lag > 1 else (self.shape.horizon + 1) // 2))
        weights = torch.softmax(self.gate(torch.log(torch.stack(errors, dim=1) + 1e-6)), dim=1)  # (batch, bases)
        return (torch.stack(candidates, dim=1) * weights.unsqueeze(-1)).sum(dim=1)

    def _rising(self, raw: Tensor, base: Tensor) -> Tensor:
        """Levels that never cross: the median, and from it cumulative sums of positive steps outwards."""
        middle = base.unsqueeze(-1) + raw[..., self.median : self.median + 1]
        parts = [middle]
        if self.median + 1 < len(self.shape.levels):  # not an empty slice, whose shape the ONNX exporter gets wrong
            parts.append(middle + torch.cumsum(F.softplus(raw[..., self.median + 1 :]), dim=-1))
        if self.median > 0:
            parts.insert(0, middle - torch.cumsum(F.softplus(raw[..., : self.median]).flip(-1), dim=-1).flip(-1))
        return torch.cat(parts, dim=-1)


class ForecastGraph(nn.Module):
    """A forecaster that takes just the inputs it has, in the order target, past, future."""

    def __init__(self, network: Forecaster) -> None:
        super().__init__()
        self.network = network

    def forward(self, target: Tensor, first: Tensor | None = None, second: Tensor | None = None) -> Tensor:
        """Quantiles (batch, horizon, levels)."""
        past, future = (first, second) if self.network.shape.past else (None, first)
        quantiles: Tensor = self.network(target, past, future)
        return quantiles


def _last_steps(x: Tensor, length: int) -> Tensor:
    """The last `length` steps of x (batch, time, columns), missing ones before its start."""
    before = x.new_full((x.shape[0], length, x.shape[2]), torch.nan)
    return torch.cat([before, x], dim=1)[:, -length:]


def _last_observed(values: Tensor, observed: Tensor) -> Tensor:
    """The last value that is not missing (batch, 1); 0, the level, where all are."""
    positions = torch.arange(values.shape[1], device=values.device).expand_as(values)
    last = torch.where(observed, positions, torch.zeros_like(positions)).amax(dim=1, keepdim=True)
    return values.gather(1, last)


def _repeat_season(values: Tensor, observed: Tensor, last: Tensor, lag: int, horizon: int) -> Tensor:
    """The last season of `lag` steps repeated over the horizon; a missing value is taken from the season before, then from `last`."""
    context = values.shape[1]
    season, seen = values[:, context - lag :], observed[:, context - lag :]
    fallback = last.expand(-1, lag)
    if context >= 2 * lag:
        older, older_seen = values[:, context - 2 * lag : context - lag], observed[:, context - 2 * lag : context - lag]
        fallback = torch.where(older_seen, older, fallback)
    season = torch.where(seen, season, fallback)
    return season.repeat(1, -(-horizon // lag))[:, :horizon]


def _lag_error(values: Tensor, observed: Tensor, lag: int) -> Tensor:
    """Mean absolute difference to `lag` steps before, over the window (batch,); 3, a poor one, where it cannot be measured."""
    both = observed[:, lag:] & observed[:, :-lag]
    count = both.sum(dim=1)
    total = torch.where(both, (values[:, lag:] - values[:, :-lag]).abs(), torch.zeros_like(values[:, lag:])).sum(dim=1)
    return torch.where(count > 0, total / count.clamp(min=1), torch.full_like(total, 3.0))

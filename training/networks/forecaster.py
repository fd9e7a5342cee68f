"""The forecaster: histories in raw units in, quantiles in raw units out; scaling, missing values and bases are part of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.bases import lag_error
from training.networks.forecaster_shape import ForecasterShape
from training.networks.residual import Residual

TINY = 1e-30
"""Smallest scale of a window: a series that is all zero is divided by this."""
RELATIVE_FLOOR = 1e-5
"""Smallest scale of a window relative to its level: a constant series is divided by this share of it."""
OLDER = 0.05
"""Weight in a window's level and scale of what is older than its last season."""
RELATIVE = 30.0
"""How much an error relative to the level counts beside one relative to the seasonal naive's, which is usually far larger."""
LEAST_NAIVE = 0.02
"""Smallest error of the seasonal naive, in scales of its window: a series that repeats itself exactly is not divided by zero."""


class Forecaster(nn.Module):
    """Histories in raw units (NaN where missing) -> rising quantiles in raw units.

    It looks at the last `context` steps, however many it is given, and pads a shorter history with missing values: padding changes nothing.
    `offsets` (horizon, levels), in scales of the window, move its quantiles to where they are calibrated.
    """

    def __init__(self, shape: ForecasterShape) -> None:
        """Weights drawn from torch's global generator; the head starts at zero, so an untrained forecaster gives its base forecast."""
        super().__init__()
        self.shape = shape
        for name, width in (("target", 1), ("past", shape.past), ("known", shape.known)):
            self.register_buffer(f"{name}_centre", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))
        recent = torch.full((1, shape.context, 1), OLDER)
        recent[:, -shape.season :] = 1.0
        self.register_buffer("recent", recent, persistent=False)
        self.register_buffer("offsets", torch.zeros(shape.horizon, len(shape.levels)))
        self.members = nn.ModuleList(Residual(shape) for _ in range(shape.members))

    def forward(self, target: Tensor, past: Tensor | None = None, future: Tensor | None = None, static: Tensor | None = None) -> Tensor:
        """Quantiles (batch, horizon, levels).

        target (batch, time), past (batch, time, past), future (batch, time + horizon, known), static (batch, static columns) whole numbers.
        """
        scaled, centre, scale = self._scaled_quantiles(target, past, future, static)
        calibrated: Tensor = self._uncrossed(scaled.mean(dim=0) + self.get_buffer("offsets")) * scale + centre
        return calibrated

    def of_each(self, target: Tensor, past: Tensor | None = None, future: Tensor | None = None, static: Tensor | None = None) -> Tensor:
        """What each member says on its own, not calibrated: (members, batch, horizon, levels)."""
        scaled, centre, scale = self._scaled_quantiles(target, past, future, static)
        return scaled * scale + centre

    def scale_of(self, target: Tensor) -> Tensor:
        """The unit (batch, 1) in which the network sees each history (batch, time)."""
        return self._level(_last_steps(target.unsqueeze(-1), self.shape.context), "target")[1].squeeze(-1)

    def error_unit(self, target: Tensor) -> Tensor:
        """The unit (batch, 1) in which errors of series of any size compare, of histories (batch, time).

        The harmonic mean, but for a factor, of the seasonal naive's error in the window and a share of its level: errors that count in
        MASE count, and so do those that count in sMAPE. Infinite for a history that does not vary: nothing is learned from what follows
        it. Where the training data give the scale, that is the unit.
        """
        if self.shape.scaling != "window":
            return self.scale_of(target)
        series = _last_steps(target.unsqueeze(-1), self.shape.context)
        centre, scale = (part.squeeze(-1) for part in self._level(series, "target"))  # (batch, 1)
        varies = scale > 1.01 * _least_scale(centre)
        series = series.squeeze(-1) / scale
        observed = ~torch.isnan(series)
        values = torch.where(observed, series, torch.zeros_like(series))
        lag = min((lag for lag in self.shape.bases if 1 < lag < self.shape.context), default=1)
        naive = lag_error(values, observed, min(lag, self.shape.context - 1) or 1).unsqueeze(-1)
        level = values.abs().sum(dim=1, keepdim=True) / observed.sum(dim=1, keepdim=True).clamp(min=1)
        unit = scale / (1 / naive.clamp(min=LEAST_NAIVE) + RELATIVE / level.clamp(min=LEAST_NAIVE))
        return torch.where(varies, unit, torch.full_like(unit, torch.inf))

    def _scaled_quantiles(
        self, target: Tensor, past: Tensor | None, future: Tensor | None, static: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(members, batch, horizon, levels) in scales of the window, and its centre and scale (batch, 1, 1)."""
        context = self.shape.context
        series = _last_steps(target.unsqueeze(-1), context)  # (batch, context, 1)
        centre, scale = self._level(series, "target")
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
        read = torch.cat(steps, dim=-1)  # (batch, context, columns)
        each = [member(read, ahead, scaled.squeeze(-1), observed.squeeze(-1), static) for member in self.members]
        return torch.stack(each), centre, scale

    def _level(self, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """Centre and scale of x (batch, time, columns): of each window, its last season above all, or the training data's."""
        if self.shape.scaling != "window":
            return self.get_buffer(f"{name}_centre").expand(x.shape[0], 1, x.shape[2]), self.get_buffer(f"{name}_scale").expand(
                x.shape[0], 1, x.shape[2]
            )
        observed = ~torch.isnan(x)
        weight = observed * self.get_buffer("recent")
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=OLDER)
        filled = torch.where(observed, x, torch.zeros_like(x))
        centre = (filled * weight).sum(dim=1, keepdim=True)
        deviation = torch.where(observed, (x - centre).abs(), torch.zeros_like(x))
        scale = (deviation * weight).sum(dim=1, keepdim=True)
        return centre, torch.maximum(scale, _least_scale(centre))

    def _scaled(self, x: Tensor, name: str) -> Tensor:
        """Covariates in units of the data's level, 0 where missing; known ones always by the training data's, the calendar by none."""
        if name == "known":
            centre, scale = self.get_buffer("known_centre"), self.get_buffer("known_scale")
        else:
            centre, scale = self._level(x, name)
        return torch.where(torch.isnan(x), torch.zeros_like(x), (x - centre) / scale)

    def _uncrossed(self, quantiles: Tensor) -> Tensor:
        """The same where they rise; from the median outwards, none falls short of the one before it."""
        levels = list(quantiles.unbind(dim=-1))
        for position in range(self.shape.median + 1, len(levels)):
            levels[position] = torch.maximum(levels[position], levels[position - 1])
        for position in range(self.shape.median - 1, -1, -1):
            levels[position] = torch.minimum(levels[position], levels[position + 1])
        return torch.stack(levels, dim=-1)


class ForecastGraph(nn.Module):
    """A forecaster that takes just the inputs it has, in the order target, past, future, static."""

    def __init__(self, network: Forecaster) -> None:
        super().__init__()
        self.network = network

    def forward(self, target: Tensor, *others: Tensor) -> Tensor:
        """Quantiles (batch, horizon, levels)."""
        shape, given = self.network.shape, iter(others)
        past, future, static = (next(given) if columns else None for columns in (shape.past, shape.known, shape.static))
        quantiles: Tensor = self.network(target, past, future, static)
        return quantiles


def _least_scale(centre: Tensor) -> Tensor:
    """What a window is divided by whose values are all the same."""
    return (centre.abs() * RELATIVE_FLOOR).clamp(min=TINY)


def _last_steps(x: Tensor, length: int) -> Tensor:
    """The last `length` steps of x (batch, time, columns), missing ones before its start."""
    before = x.new_full((x.shape[0], length, x.shape[2]), torch.nan)
    return torch.cat([before, x], dim=1)[:, -length:]

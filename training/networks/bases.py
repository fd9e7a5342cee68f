"""Naive forecasts of a window, and the gate that mixes them: what a forecaster starts from.

Values are scaled, missing ones are 0 and `observed` says so. The last value, each seasonal value and each seasonal mean compete, and the
value a long season ago, moved by how far the level of the short season has moved since (for hours: last week's value, and how today differs
from the same day of last week).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

UNMEASURED = 3.0
"""Error of what cannot be measured in a window: a poor one."""

Kind = Literal["last", "season", "mean", "moved"]
Candidate = tuple[Kind, int, int]
"""What, the lag in steps, and the shorter season that `moved` takes the level from."""


class BaseForecasts(nn.Module):
    """Candidates mixed by a gate that sees the logarithms of their errors within the window; untrained, it weighs them by error^-2."""

    def __init__(self, lags: tuple[int, ...], *, context: int, horizon: int) -> None:
        """`lags` in steps, rising: 1 for the last value, the others are seasons."""
        super().__init__()
        self.horizon = horizon
        self.candidates = candidates(lags, context=context)
        count = len(self.candidates)
        self.gate = nn.Linear(count, count)
        with torch.no_grad():
            self.gate.weight.copy_(-2 * torch.eye(count))
            self.gate.bias.zero_()

    def forward(self, values: Tensor, observed: Tensor) -> Tensor:
        """The mixed forecast (batch, horizon) of scaled values (batch, context)."""
        last = last_observed(values, observed)  # (batch, 1)
        found = [self._candidate(candidate, values, observed, last) for candidate in self.candidates]
        forecasts, errors = (torch.stack(parts, dim=1) for parts in zip(*found, strict=True))
        weights = torch.softmax(self.gate(torch.log(errors + 1e-6)), dim=1)  # (batch, candidates)
        return (forecasts * weights.unsqueeze(-1)).sum(dim=1)

    def _candidate(self, candidate: Candidate, values: Tensor, observed: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Its forecast (batch, horizon) and its mean absolute error in the window (batch,)."""
        kind, lag, inner = candidate
        match kind:
            case "last":
                return last.expand(-1, self.horizon), lag_error(values, observed, (self.horizon + 1) // 2)
            case "season":
                return _repeated(last_season(values, observed, last, lag), self.horizon), lag_error(values, observed, lag)
            case "mean":
                mean, error = _season_mean(values, observed, last, lag)
                return _repeated(mean, self.horizon), error
            case "moved":
                step, error = _level_step(values, observed, lag, inner)
                return _repeated(last_season(values, observed, last, lag), self.horizon) + step.unsqueeze(-1), error


def candidates(lags: tuple[int, ...], *, context: int) -> tuple[Candidate, ...]:
    """What competes in windows of `context` steps."""
    found: list[Candidate] = []
    for lag in lags:
        if lag == 1:
            found.append(("last", 1, 0))
            continue
        found.append(("season", lag, 0))
        if context >= 2 * lag:
            found.append(("mean", lag, 0))
        inner = max((shorter for shorter in lags if 1 < shorter < lag and lag % shorter == 0), default=0)
        if inner and context >= lag + 2 * inner:
            found.append(("moved", lag, inner))
    return tuple(found)


def last_observed(values: Tensor, observed: Tensor) -> Tensor:
    """The last value that is not missing (batch, 1); 0, the level, where all are."""
    positions = torch.arange(values.shape[1], device=values.device).expand_as(values)
    last = torch.where(observed, positions, torch.zeros_like(positions)).amax(dim=1, keepdim=True)
    return values.gather(1, last)


def last_season(values: Tensor, observed: Tensor, last: Tensor, lag: int) -> Tensor:
    """The last `lag` values (batch, lag); a missing one is taken from the season before, then from `last`."""
    context = values.shape[1]
    season, seen = values[:, context - lag :], observed[:, context - lag :]
    fallback = last.expand(-1, lag)
    if context >= 2 * lag:
        older, older_seen = values[:, context - 2 * lag : context - lag], observed[:, context - 2 * lag : context - lag]
        fallback = torch.where(older_seen, older, fallback)
    return torch.where(seen, season, fallback)


def lag_error(values: Tensor, observed: Tensor, lag: int) -> Tensor:
    """Mean absolute difference to `lag` steps before, over the window (batch,)."""
    return _mean_error(values[:, lag:] - values[:, :-lag], observed[:, lag:] & observed[:, :-lag])


def _repeated(season: Tensor, horizon: int) -> Tensor:
    return season.repeat(1, (horizon - 1) // season.shape[1] + 1)[:, :horizon]  # ONNX divides negative numbers towards zero


def _season_mean(values: Tensor, observed: Tensor, last: Tensor, lag: int) -> tuple[Tensor, Tensor]:
    """The mean of each step of the season (batch, lag), `last` where none was seen, and the error of the mean of the other seasons."""
    count = values.shape[1] // lag
    seasons, seen = _blocks(values, lag, count), _blocks(observed, lag, count)  # (batch, count, lag)
    known = seen.sum(dim=1)
    mean = torch.where(known > 0, torch.where(seen, seasons, 0.0).sum(dim=1) / known.clamp(min=1), last)
    error = _mean_error((seasons - mean.unsqueeze(1)).flatten(1), seen.flatten(1))
    return mean, error * (count / (count - 1))


def _level_step(values: Tensor, observed: Tensor, lag: int, inner: int) -> tuple[Tensor, Tensor]:
    """How far the level of the last `inner` steps lies above that of `lag` before (batch,), and the error of forecasts moved by that."""
    count, apart = values.shape[1] // inner, lag // inner
    blocks, seen = _blocks(values, inner, count), _blocks(observed, inner, count)  # (batch, count, inner)
    known = seen.sum(dim=2)
    level = torch.where(seen, blocks, 0.0).sum(dim=2) / known.clamp(min=1)  # (batch, count)
    both = (known[:, apart:] > 0) & (known[:, :-apart] > 0)
    step = torch.where(both, level[:, apart:] - level[:, :-apart], torch.zeros_like(level[:, apart:]))  # (batch, count - apart)
    moved = blocks[:, 1:-apart] + step[:, :-1].unsqueeze(-1)
    error = _mean_error((blocks[:, apart + 1 :] - moved).flatten(1), (seen[:, apart + 1 :] & seen[:, 1:-apart]).flatten(1))
    return step[:, -1], error


def _blocks(x: Tensor, length: int, count: int) -> Tensor:
    """The last `count` stretches of `length` steps, (batch, count, length)."""
    return x[:, x.shape[1] - count * length :].reshape(-1, count, length)


def _mean_error(difference: Tensor, seen: Tensor) -> Tensor:
    count = seen.sum(dim=1)
    total = torch.where(seen, difference.abs(), torch.zeros_like(difference)).sum(dim=1)
    return torch.where(count > 0, total / count.clamp(min=1), torch.full_like(total, UNMEASURED))

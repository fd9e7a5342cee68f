"""Learning to forecast: windows of series -> quantiles of what follows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from service.contract.golden import Tensors
from service.contract.int8 import Check
from service.contract.manifest import ForecastTask, Scores
from training.config import ForecastConfig
from training.data.series import SeriesTable, least_context
from training.data.target_kind import target_kind
from training.data.windows import Split, WindowBatch, Windows
from training.export import Graph, Run
from training.learners.base import MOST_CALIBRATION_ROWS, TRIAL_BATCHES, chunks, copy_weights
from training.learners.forecast_calibration import conformal_offsets, step_correlation
from training.learners.forecast_network import build_forecaster, choose_segment
from training.learners.forecast_tensors import ForecastBatch, batch_on, cut_inputs, quantiles_of, signature, window_inputs
from training.learners.int8_checks import forecast_checks
from training.loop import device_of
from training.metrics import score_forecasts
from training.networks.forecaster import Forecaster, ForecastGraph
from training.networks.forecaster_shape import ForecasterShape
from training.pictures import Picture, forecast_plot

MOST_TRAINING_WINDOWS = 20_000
MOST_VALIDATION_WINDOWS = 2_000
MOST_TEST_WINDOWS = 5_000
MOST_PLOTTED_STEPS = 240
NAMED = {"mae": "an MAE", "mase": "a MASE"}
"""What decides whether a naive forecast does better: the second where there are several series, of any size."""


class ForecastLearner:
    """A forecaster and the series it learns from."""

    def __init__(self, config: ForecastConfig, table: SeriesTable, *, context: int) -> None:
        """Draws the network's first weights from torch's global generator."""
        self.config = config
        self.table = table
        self.data = table.data
        segment = choose_segment(config, table.frequency.seasons, context=context)
        context = -(-context // segment) * segment  # whole segments
        self.train, self.validation, self.test = (self._windows(split, context) for split in ("train", "validation", "test"))
        self.network: nn.Module = build_forecaster(config, table, context=context, segment=segment)
        self.step_correlation: float | None = None
        self.lower, self.integer = target_kind(np.concatenate([one.target for one in table.series]), config.target_kind)
        self._drawn = min(config.windows or MOST_TRAINING_WINDOWS, len(self.train))
        self.steps_per_epoch = max(self._drawn // config.batch, 1)

    def batches(self, generator: np.random.Generator) -> Iterator[ForecastBatch]:
        """Windows drawn without replacement; what does not fill the last batch is left for another epoch."""
        order = generator.permutation(len(self.train))[: self._drawn]
        for step in range(self.steps_per_epoch):
            yield self._tensors(self.train.batch(order[step * self.config.batch : (step + 1) * self.config.batch]))

    def loss(self, network: nn.Module, batch: ForecastBatch) -> Tensor:
        """Pinball loss (Koenker & Bassett 1978) in each window's own unit, over the steps that are known; each member learns on its own."""
        assert isinstance(network, Forecaster)  # noqa: S101 - tells mypy; this learner builds no other
        levels = torch.tensor(network.shape.levels, device=batch.actual.device)
        inputs = batch.inputs
        quantiles = network.of_each(*inputs) if network.training else network(*inputs).unsqueeze(0)  # (members, batch, horizon, levels)
        known = ~torch.isnan(batch.actual)
        error = torch.where(known, batch.actual, torch.zeros_like(batch.actual)).unsqueeze(-1) - quantiles
        error = error / network.error_unit(batch.target).unsqueeze(-1)
        pinball = torch.maximum(levels * error, (levels - 1) * error).mean(dim=-1)  # (members, batch, horizon)
        return (pinball * known).sum() / (known.sum() * len(pinball)).clamp(min=1)

    def validation_loss(self, network: nn.Module) -> float:
        """Mean pinball loss over the validation windows."""
        losses, rows = [], []
        with torch.no_grad():
            for positions in chunks(self.validation.thinned(MOST_VALIDATION_WINDOWS)):
                losses.append(self.loss(network, self._tensors(self.validation.batch(positions))).item())
                rows.append(len(positions))
        return float(np.average(losses, weights=rows))

    def finish(self) -> None:
        """Move the quantiles to where they cover what they say on the validation windows, and measure how their errors hang together."""
        network = self.network
        assert isinstance(network, Forecaster)  # noqa: S101 - tells mypy; this learner builds no other
        if not self.config.validation:
            return
        batches = [self.validation.batch(piece) for piece in chunks(self.validation.thinned(MOST_VALIDATION_WINDOWS))]
        with torch.no_grad():
            tensors = [self._tensors(batch) for batch in batches]
            quantiles = torch.cat([network(*one.inputs) for one in tensors]).numpy()
            scale = torch.cat([network.scale_of(one.target) for one in tensors]).numpy()
        actual = np.concatenate([batch.actual for batch in batches])
        self.step_correlation = step_correlation(actual=actual, median=quantiles[..., network.shape.median])
        if self.config.conformal:
            offsets = conformal_offsets(actual=actual, quantiles=quantiles, scale=scale, levels=network.shape.levels)
            network.get_buffer("offsets").copy_(torch.from_numpy(offsets))

    def task(self) -> ForecastTask:
        """What the forecaster takes and gives."""
        shape = self._shape
        return ForecastTask(
            target=self.config.target,
            horizon=shape.horizon,
            context=shape.context,
            min_context=least_context(shape.context),
            frequency=str(self.table.frequency),
            quantiles=shape.levels,
            past=self.config.past,
            future=self.config.future,
            static=self.table.static,
            calendar=self.table.calendar,
            time_zone=self.table.time_zone,
            holidays=self.table.holidays,
            lower=self.lower,
            integer=self.integer,
            step_correlation=self.step_correlation,
        )

    def graph(self) -> Graph:
        """The forecaster on torch.nn's kernels; it takes `past`, `future` and `static` only when it has them."""
        shape = self._shape
        copied = copy_weights(self.network, Forecaster(replace(shape, recurrence=shape.recurrence.fused())))
        assert isinstance(copied, Forecaster)  # noqa: S101 - tells mypy
        inputs, outputs = signature(self.task())
        return Graph(ForecastGraph(copied).eval(), inputs, outputs)

    def trials(self) -> list[Tensors]:
        """Windows of the training data, whole, shorter and longer than the context."""
        context = self._shape.context
        rows = np.arange(max(TRIAL_BATCHES)) % len(self.train)
        whole = window_inputs(self.train.batch(rows))
        return [
            cut_inputs(whole, batch=batch, time=time, horizon=self._shape.horizon)
            for batch in TRIAL_BATCHES
            for time in (context, max(context // 2, 1), 1, context + 3)
        ]

    def goldens(self) -> list[Tensors]:
        """Two windows of the test data, one shortened."""
        last = window_inputs(self.test.batch(np.array([len(self.test) - 1])))
        first = window_inputs(self.test.batch(np.array([0])))
        short = max(self._shape.context // 2, 1)
        return [last, cut_inputs(first, batch=1, time=short, horizon=self._shape.horizon)]

    def files(self) -> dict[str, str]:
        """None: a forecaster is its graph and its manifest."""
        return {}

    def score(self, run: Run) -> Scores:
        """Errors on the test windows in raw units, beside the last value and the seasonal naive forecast."""
        batches = self._test_batches()
        model, baselines = score_forecasts(
            quantiles=quantiles_of(run, batches),
            levels=self._shape.levels,
            target=np.concatenate([batch.target for batch in batches]),
            actual=np.concatenate([batch.actual for batch in batches]),
            seasons=self.table.frequency.seasons,
        )
        judged = "mase" if len(self.table.series) > 1 and "mase" in model else "mae"
        best = min(baselines, key=lambda name: baselines[name].get(judged, math.inf))
        beats = model[judged] < baselines[best].get(judged, math.inf)
        theirs, own = (f"{found.get(judged, math.nan):.4g}" for found in (baselines[best], model))
        note = "" if beats else f"Hard to beat: {best.replace('_', ' ')} has {NAMED[judged]} of {theirs}, the model {own}."
        share = self.config.test or self.config.validation or 1.0
        split = (
            f"{sum(len(batch.target) for batch in batches)} windows of the last {share:.0%} of each series, horizon {self.config.horizon}"
        )
        if not self.config.test and self.config.validation and self.config.conformal:
            split += ", which have calibrated its intervals, too"
        return Scores(split=split, model={judged: model[judged], **model}, baselines=baselines, beats_naive=beats, note=note)

    def calibration(self) -> Iterable[Tensors]:
        """Training windows."""
        return (window_inputs(self.train.batch(piece)) for piece in chunks(self.train.thinned(MOST_CALIBRATION_ROWS)))

    def checks(self, run: Run, int8: Run) -> tuple[Check, ...]:
        """Errors of the median and of all levels, and how far forecasts move."""
        batches = self._test_batches()
        return forecast_checks(quantiles_of(run, batches), quantiles_of(int8, batches), batches, levels=self._shape.levels)

    def pictures(self, run: Run) -> list[Picture]:
        """The first series where its test part begins: forecast one horizon after another, each from what was known before it."""
        series, frequency, horizon = self.table.series[0], self.table.frequency, self.config.horizon
        origins = self.test.index[self.test.index[:, 0] == 0, 1]
        if not len(origins):
            return []
        shown = np.flatnonzero((origins - origins[0]) % horizon == 0)[: max(MOST_PLOTTED_STEPS // horizon, 1)]
        quantiles = run(window_inputs(self.test.batch(shown)))["quantiles"]  # (shown, horizon, levels)
        times = series.times(frequency)
        begin = max(int(origins[shown[0]]) - len(shown) * horizon, 0)
        steps = (origins[shown][:, None] + np.arange(horizon)).ravel()
        end = int(steps[-1]) + 1
        levels = self._shape.levels
        picture = forecast_plot(
            times=times[begin:end],
            actual=series.target[begin:end],
            forecast_times=times[steps],
            point=quantiles[..., levels.index(0.5)].ravel(),
            low=quantiles[..., 0].ravel(),
            high=quantiles[..., -1].ravel(),
            split_time=times[steps[0]],
            title=f"{self.config.target}: actual and forecast" + (f" ({series.id})" if series.id else ""),
            levels=(levels[0], levels[-1]),
        )
        return [picture]

    def samples(self, run: Run) -> list[tuple[str, str]]:  # noqa: ARG002 - forecasts are seen, not read
        """None."""
        return []

    @property
    def _shape(self) -> ForecasterShape:
        assert isinstance(self.network, Forecaster)  # noqa: S101 - tells mypy; this learner builds no other
        return self.network.shape

    def _windows(self, split: Split, context: int) -> Windows:
        config = self.config
        return Windows(
            self.table,
            split,
            context=context,
            horizon=config.horizon,
            min_context=least_context(context),
            validation=config.validation,
            test=config.test,
        )

    def _test_batches(self) -> list[WindowBatch]:
        return [self.test.batch(piece) for piece in chunks(self.test.thinned(MOST_TEST_WINDOWS))]

    def _tensors(self, batch: WindowBatch) -> ForecastBatch:
        return batch_on(device_of(self.network), batch)

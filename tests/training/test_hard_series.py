"""Series that are hard to scale or nearly empty, through a real network that has learned nothing: forecasts are finite and make sense."""

import numpy as np
import pytest
import torch

from service.contract.manifest import ForecastTask
from service.tasks.dialogue import converse
from service.tasks.forecast import Extras, History, column, forecast
from training.networks.forecaster import Forecaster, ForecastGraph
from training.networks.forecaster_shape import ForecasterShape
from training.networks.recurrence import Recurrence

CONTEXT, HORIZON, SEASON = 48, 6, 12
LEVELS = (0.1, 0.5, 0.9)

HOURS = np.arange(CONTEXT)
WAVE = 1 + 0.3 * np.sin(2 * np.pi * HOURS / SEASON)
SERIES = {
    "constant": np.full(CONTEXT, 7.0),
    "all zero": np.zeros(CONTEXT),
    "intermittent": np.where(HOURS % 7 == 3, 5.0, 0.0),
    "trending": 100.0 + 3 * HOURS,
    "falling below zero": 20.0 - HOURS,
    "huge": 1e12 * WAVE,
    "tiny": 1e-12 * WAVE,
    "high level, small moves": 1e4 + WAVE,
    "one value": np.where(HOURS == CONTEXT - 1, 42.0, np.nan),
    "one old value": np.where(HOURS == 5, 42.0, np.nan),
    "all missing but three": np.where(np.isin(HOURS, (10, 20, 30)), 5.0 + HOURS / 10, np.nan),
    "spikes": np.where(np.isin(HOURS, (9, 33)), 1e6, 10.0 + WAVE),
    "short": WAVE[:3],
}


NO_EXTRAS = Extras()


class Untrained:
    """A forecaster with the weights that training begins with."""

    def __init__(self, *, past=(), future=(), **task):
        torch.manual_seed(0)
        shape = ForecasterShape(
            Recurrence("lstm", 8),
            context=CONTEXT,
            horizon=HORIZON,
            levels=LEVELS,
            past=len(past),
            known=len(future),
            bases=(1, SEASON),
        )
        self.graph = ForecastGraph(Forecaster(shape)).eval()
        self.task = ForecastTask(
            target="load",
            horizon=HORIZON,
            context=CONTEXT,
            min_context=1,
            frequency="h",
            quantiles=LEVELS,
            past=past,
            future=future,
            step_correlation=0.5,
            **task,
        )

    def run(self, inputs):
        with torch.no_grad():
            given = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in ("target", "past", "future") if name in inputs]
            found = self.graph(*given)
        return {"quantiles": found.numpy()}

    def ask(self, values, *, extras=NO_EXTRAS, horizon=None, extend=False, **covariates):
        history = History(column(values, where=()), **covariates)
        return converse(forecast(self.task, [history], extras=extras, horizon=horizon, extend=extend), self.run)[0]


def table(answer):
    return np.array([answer.quantiles[f"{level:g}"] for level in LEVELS], np.float64)  # (levels, horizon)


@pytest.mark.parametrize("name", SERIES)
def test_a_hard_series_gets_a_finite_forecast_near_to_what_it_was(name):
    values = SERIES[name]
    answer = Untrained().ask(values)

    found = table(answer)
    low, high = np.nanmin(values), np.nanmax(values)
    room = (high - low) or 0.001 * abs(high) or 1e-20
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=0) >= 0).all()
    assert (found >= low - room).all()
    assert (found <= high + room).all()


@pytest.mark.parametrize("name", SERIES)
def test_a_hard_series_can_be_rolled_forward_summed_and_drawn(name):
    answer = Untrained().ask(SERIES[name], horizon=4 * HORIZON, extend=True, extras=Extras((80,), 10, 1, "sum"))

    assert np.isfinite(table(answer)).all()
    assert np.isfinite(answer.samples).all()
    assert np.isfinite(list(answer.aggregate.quantiles.values())).all()


@pytest.mark.parametrize(("name", "expected"), [("constant", 7.0), ("one value", 42.0), ("one old value", 42.0), ("all zero", 0.0)])
def test_a_series_of_one_value_is_forecast_to_keep_it(name, expected):
    np.testing.assert_allclose(table(Untrained().ask(SERIES[name])), expected, rtol=1e-3, atol=1e-20)


def test_a_season_goes_on():
    ahead = 1 + 0.3 * np.sin(2 * np.pi * (CONTEXT + np.arange(HORIZON)) / SEASON)

    np.testing.assert_allclose(Untrained().ask(SERIES["huge"]).point, 1e12 * ahead, rtol=0.05)
    np.testing.assert_allclose(Untrained().ask(SERIES["tiny"]).point, 1e-12 * ahead, rtol=0.05)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
@pytest.mark.parametrize("name", SERIES)
def test_the_unit_of_a_series_does_not_matter(name, factor):
    values = SERIES[name]
    plain, scaled = table(Untrained().ask(values)), table(Untrained().ask(values * factor))

    size = np.nanmax(np.abs(values)) or 1.0
    np.testing.assert_allclose(scaled / factor / size, plain / size, rtol=0, atol=1e-3)


@pytest.mark.parametrize("missing", [slice(0, CONTEXT + HORIZON), slice(10, 14), slice(CONTEXT, CONTEXT + HORIZON)])
def test_covariates_may_be_missing_anywhere(missing):
    wind, price = np.sin(np.arange(CONTEXT + HORIZON)), np.arange(CONTEXT + HORIZON, dtype=np.float64)
    wind[missing], price[missing] = np.nan, np.nan
    model = Untrained(past=("wind",), future=("price",))

    answer = model.ask(SERIES["trending"], past={"wind": column(wind[:CONTEXT], where=())}, future={"price": column(price, where=())})

    found = table(answer)
    assert np.isfinite(found).all()
    assert (found > 0).all()
    assert (found < 500).all()


def test_counts_are_answered_as_counts():
    answer = Untrained(lower=0.0, integer=True).ask(SERIES["intermittent"], extras=Extras((80,), 5, 1))

    for values in (answer.point, answer.samples, *answer.quantiles.values()):
        assert (values >= 0).all()
        np.testing.assert_array_equal(values, np.rint(values))

"""Series as other services' clients send them: their steps, their date features, what is seen of them at an origin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from service.api.compat.date_features import FEATURES, is_date_feature
from service.api.compat.steps import check_step, check_unit
from service.api.compat.windows import Window, forecasts_of
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, converse
from service.tasks.history import History
from tests import artifacts

HOURS = pd.date_range("2024-12-25T22:00:00", periods=24 * 20, freq="h")
TIMES = HOURS.to_numpy().astype("datetime64[s]")


def task(frequency: str) -> ForecastTask:
    found = artifacts.forecaster(frequency=frequency).task
    assert isinstance(found, ForecastTask)
    return found


def test_date_features_are_those_of_pandas():
    week = HOURS.isocalendar().week.to_numpy()
    expected = [
        HOURS.year,
        HOURS.quarter,
        HOURS.month,
        week,
        HOURS.day,
        HOURS.day_of_week,
        HOURS.day_of_year,
        HOURS.hour,
        HOURS.minute,
        HOURS.second,
    ]

    for feature, own in zip(FEATURES, expected, strict=True):
        np.testing.assert_array_equal(feature(TIMES), np.asarray(own), err_msg=feature.__name__)


@pytest.mark.parametrize(
    ("column", "known"),
    [
        (HOURS.hour, True),
        (HOURS.isocalendar().week, True),
        (HOURS.day_of_week == 6, True),
        (HOURS.month == 12, True),
        (HOURS.hour + 1, False),
        (HOURS.hour / 2, False),
        (HOURS.hour.isin([3, 4]), False),
        (np.full(len(HOURS), 0.5), False),
        (np.where(HOURS.hour == 3, np.nan, HOURS.hour), False),
    ],
)
def test_a_date_feature_is_known_by_its_values(column: object, known: bool):
    assert is_date_feature(np.asarray(column, np.float32), TIMES) is known


@pytest.mark.parametrize(
    ("frequency", "sent"),
    [
        ("h", "h"),
        ("h", "H"),
        ("h", "60min"),
        ("h", "1h"),
        ("15min", "15T"),
        ("15min", "15m"),
        ("D", "24h"),
        ("D", "1d"),
        ("W", "W-SUN"),
        ("W-MON", "1w"),
        ("MS", "ME"),
        ("ME", "1MS"),
        ("QS", "QE-DEC"),
        ("QS", "1q"),
        ("YS", "A-DEC"),
        ("B", "B"),
    ],
)
def test_a_step_may_be_written_in_other_ways(frequency: str, sent: str):
    check_step(task(frequency), sent, where=())


@pytest.mark.parametrize(("frequency", "sent"), [("h", "D"), ("D", "B"), ("MS", "QS"), ("D", "2D"), ("D", ""), ("D", "1x"), ("D", "0D")])
def test_another_step_is_refused(frequency: str, sent: str):
    with pytest.raises(QuestionError):
        check_step(task(frequency), sent, where=())


@pytest.mark.parametrize(
    ("frequency", "sent"),
    [("15min", "minute"), ("min", "T"), ("B", "day"), ("ME", "month"), ("MS", "M"), ("QE", "quarter"), ("s", "second")],
)
def test_a_unit_may_stand_for_several_steps(frequency: str, sent: str):
    check_unit(task(frequency), sent, where=())


def test_a_month_is_no_minute():
    with pytest.raises(QuestionError, match="this model's step is min"):
        check_unit(task("min"), "month", where=())


@pytest.mark.parametrize("frequency", ["D", "MS", "ME"])
def test_what_is_seen_at_an_origin_is_what_the_whole_series_until_then_gives(frequency: str):
    tiny = artifacts.forecaster(calendar=("day_of_month", "day_of_year"), frequency=frequency)
    assert isinstance(tiny.task, ForecastTask)
    history = History(np.arange(40, dtype=np.float32), start=np.datetime64("2024-01-31", "s"))

    for origin in (2, 13, 26, 40):
        cut = History(history.values[:origin], start=history.start)
        rolled = converse(forecasts_of(tiny.task, [history], [Window(0, origin, 3)], horizon=3, quantiles=[]), tiny.run)
        whole = converse(forecasts_of(tiny.task, [cut], [Window(0, origin, 3)], horizon=3, quantiles=[]), tiny.run)
        features = tiny.task.clock.features(tiny.task.clock.frequency.span(history.start, origin + 3)[-3:], tiny.task.calendar)

        np.testing.assert_allclose(rolled.point, whole.point)
        np.testing.assert_allclose(rolled.point, origin - 1 + features.sum(axis=1), rtol=1e-6)

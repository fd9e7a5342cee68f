from __future__ import annotations

import numpy as np
import pytest

from service.contract.calendar import (
    calendar_features,
    day_of_month,
    day_of_week,
    day_of_year,
    features_at,
    holiday,
    holiday_eve,
    hour_of_day,
    month_of_year,
)
from service.contract.frequency import Frequency


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]")


def test_features_of_known_times():
    moments = times("2024-01-01T00:00:00", "2024-12-31T12:00:00")  # a Monday and a Tuesday, in a leap year

    assert hour_of_day(moments).tolist() == [-0.5, 0.0]
    assert day_of_week(moments).tolist() == pytest.approx([-0.5, 1 / 6 - 0.5])
    assert day_of_month(moments).tolist() == [-0.5, 0.5]
    assert day_of_year(moments).tolist() == [-0.5, 0.5]
    assert month_of_year(moments).tolist() == [-0.5, 0.5]


def test_holidays_and_the_days_before_them_are_half_and_others_minus_half():
    december = times("2026-12-24T18:00", "2026-12-25T00:00", "2026-12-26T23:59", "2026-12-27", "2026-12-31")

    assert holiday(december, "DE").tolist() == [-0.5, 0.5, 0.5, -0.5, -0.5]
    assert holiday_eve(december, "DE").tolist() == [0.5, 0.5, -0.5, -0.5, 0.5]  # New Year is of another year


def test_features_are_columns_in_the_order_of_their_names():
    table = features_at(times("2024-01-01", "2024-01-07"), ("month_of_year", "day_of_week", "day_of_month", "day_of_year", "hour_of_day"))

    assert table.shape == (2, 5)
    assert table.dtype == np.float32
    assert table[:, 1].tolist() == [-0.5, 0.5]
    assert features_at(times("2024-01-01"), ()).shape == (1, 0)
    assert features_at(times("2024-01-01"), ("holiday", "holiday_eve"), holidays="DE").tolist() == [[0.5, -0.5]]


def test_an_unknown_feature_is_named():
    with pytest.raises(ValueError, match="unknown calendar feature 'moon'"):
        features_at(times("2024-01-01"), ("moon",))


def test_a_holiday_without_a_country_is_refused():
    with pytest.raises(ValueError, match="'holiday', or no country for it"):
        features_at(times("2024-01-01"), ("holiday",))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("h", ("hour_of_day", "day_of_week", "day_of_year")),
        ("B", ("day_of_week", "day_of_month", "day_of_year")),
        ("W-MON", ("month_of_year",)),
        ("MS", ("month_of_year",)),
        ("ME", ("month_of_year",)),
        ("QE", ("month_of_year",)),
        ("YS", ()),
        ("YE", ()),
    ],
)
def test_features_that_matter_depend_on_the_step(text: str, names: tuple[str, ...]):
    assert calendar_features(Frequency.parse(text)) == names

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.calendar import (
    Frequency,
    calendar_features,
    day_of_month,
    day_of_week,
    day_of_year,
    features_at,
    hour_of_day,
    infer_frequency,
    month_of_year,
)


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]")


@pytest.mark.parametrize("text", ["h", "15min", "D", "B", "MS", "3MS", "QS", "YS", "W", "30s"])
def test_a_frequency_is_written_as_it_was_read(text: str):
    assert str(Frequency.parse(text)) == text


@pytest.mark.parametrize("text", ["", "0h", "month", "H", "-1D", "1.5h", "9999999s", "h "])
def test_what_is_no_frequency_is_refused_with_those_that_are(text: str):
    with pytest.raises(ValueError, match="one of s, min, h, D, W, B, MS, QS, YS"):
        Frequency.parse(text)


@pytest.mark.parametrize(
    ("frequency", "start", "after"),
    [
        ("h", "2026-01-31T23:30:00", ["2026-02-01T00:30:00", "2026-02-01T01:30:00"]),
        ("15min", "2026-01-31T23:45:00", ["2026-02-01T00:00:00", "2026-02-01T00:15:00"]),
        ("D", "2024-02-28", ["2024-02-29T00:00:00", "2024-03-01T00:00:00"]),
        ("W", "2026-01-01", ["2026-01-08T00:00:00", "2026-01-15T00:00:00"]),
        ("B", "2026-01-29", ["2026-01-30T00:00:00", "2026-02-02T00:00:00"]),
        ("MS", "2025-12-01", ["2026-01-01T00:00:00", "2026-02-01T00:00:00"]),
        ("QS", "2025-10-01", ["2026-01-01T00:00:00", "2026-04-01T00:00:00"]),
        ("YS", "2023-01-01", ["2024-01-01T00:00:00", "2025-01-01T00:00:00"]),
    ],
)
def test_steps_follow_the_calendar(frequency: str, start: str, after: list[str]):
    assert Frequency.parse(frequency).after(np.datetime64(start, "s"), 2).astype(str).tolist() == after


def test_a_business_day_keeps_its_hour():
    friday = np.datetime64("2026-01-30T17:30:00", "s")

    assert Frequency.parse("B").after(friday, 1).astype(str).tolist() == ["2026-02-02T17:30:00"]


@pytest.mark.parametrize(
    ("frequency", "texts", "steps"),
    [
        ("h", ("2026-01-01T00", "2026-01-01T01", "2026-01-01T05"), [0, 1, 5]),
        ("2h", ("2026-01-01T00", "2026-01-01T02", "2026-01-01T03"), [0, 1, -1]),
        ("B", ("2026-01-30", "2026-02-02", "2026-02-04"), [0, 1, 3]),
        ("B", ("2026-01-30", "2026-01-31"), [0, -1]),
        ("MS", ("2026-01-01", "2026-03-01", "2026-03-02"), [0, 2, -1]),
        ("D", ("2026-01-02", "2026-01-01"), [0, -1]),
    ],
)
def test_gaps_are_counted_and_times_off_the_grid_are_minus_one(frequency: str, texts: tuple[str, ...], steps: list[int]):
    found = Frequency.parse(frequency).steps_between(np.datetime64(texts[0], "s"), times(*texts))

    assert found.tolist() == steps


def test_times_absurdly_far_apart_are_not_on_any_grid():
    far = times("2000-01-01", "9000-01-01")

    assert Frequency.parse("s").steps_between(far[0], far).tolist() == [0, -1]


@given(
    st.sampled_from(["s", "15min", "h", "D", "W", "B", "MS", "QS", "YS"]),
    st.dates(min_value=date(1950, 1, 2), max_value=date(2100, 1, 1)),
    st.integers(1, 60),
)
def test_the_steps_of_a_span_are_its_places(text: str, start: date, steps: int):
    first = np.datetime64(start.replace(day=1) if text in ("MS", "QS", "YS") else start, "D").astype("datetime64[s]")
    if text == "B":
        first = np.busday_offset(first.astype("datetime64[D]"), 0, roll="forward").astype("datetime64[s]")
    frequency = Frequency.parse(text)

    assert frequency.steps_between(first, frequency.span(first, steps)).tolist() == list(range(steps))


@pytest.mark.parametrize(
    ("text", "seasons"),
    [("h", (24, 168)), ("15min", (96, 672)), ("D", (7,)), ("B", (5,)), ("W", (52,)), ("2W", ()), ("MS", (12,)), ("QS", (4,)), ("YS", ())],
)
def test_seasons_are_a_day_a_week_or_a_year(text: str, seasons: tuple[int, ...]):
    assert Frequency.parse(text).seasons == seasons


@pytest.mark.parametrize("text", ["h", "15min", "D", "W", "B", "MS", "QS", "YS", "2h", "30s"])
def test_the_frequency_of_regular_times_is_found(text: str):
    frequency = Frequency.parse(text)

    assert infer_frequency(frequency.span(np.datetime64("2024-01-01", "s"), 30)) == frequency


def test_gaps_do_not_hide_the_frequency():
    hours = Frequency.parse("h").span(np.datetime64("2024-01-01", "s"), 30)

    assert str(infer_frequency(np.delete(hours, [3, 4, 10]))) == "h"


def test_too_few_times_have_no_frequency():
    with pytest.raises(ValueError, match="2 times are too few to infer a frequency: give it"):
        infer_frequency(times("2026-01-01", "2026-01-02"))


def test_irregular_times_have_no_frequency():
    irregular = times("2026-01-01T00:00", "2026-01-01T00:01", "2026-01-01T00:03", "2026-01-01T00:07", "2026-01-01T00:15")

    with pytest.raises(ValueError, match=r"no regular step: the commonest, 60 s, is kept by 1 of 4 rows: resample"):
        infer_frequency(irregular)


def test_features_of_known_times():
    moments = times("2024-01-01T00:00:00", "2024-12-31T12:00:00")  # a Monday and a Tuesday, in a leap year

    assert hour_of_day(moments).tolist() == [-0.5, 0.0]
    assert day_of_week(moments).tolist() == pytest.approx([-0.5, 1 / 6 - 0.5])
    assert day_of_month(moments).tolist() == [-0.5, 0.5]
    assert day_of_year(moments).tolist() == [-0.5, 0.5]
    assert month_of_year(moments).tolist() == [-0.5, 0.5]


def test_features_are_columns_in_the_order_of_their_names():
    table = features_at(times("2024-01-01", "2024-01-07"), ("month_of_year", "day_of_week", "day_of_month", "day_of_year", "hour_of_day"))

    assert table.shape == (2, 5)
    assert table.dtype == np.float32
    assert table[:, 1].tolist() == [-0.5, 0.5]
    assert features_at(times("2024-01-01"), ()).shape == (1, 0)


def test_an_unknown_feature_is_named():
    with pytest.raises(ValueError, match="unknown calendar feature 'moon'"):
        features_at(times("2024-01-01"), ("moon",))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("h", ("hour_of_day", "day_of_week", "day_of_year")),
        ("B", ("day_of_week", "day_of_month", "day_of_year")),
        ("MS", ("month_of_year",)),
        ("YS", ()),
    ],
)
def test_features_that_matter_depend_on_the_step(text: str, names: tuple[str, ...]):
    assert calendar_features(Frequency.parse(text)) == names

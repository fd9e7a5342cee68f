from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.frequency import Frequency, infer_frequency

UNITS = ("s", "min", "h", "D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
ANCHORED = (*(f"W-{day}" for day in WEEKDAYS), *(f"{unit}-{month}" for unit in ("QS", "QE", "YS", "YE") for month in MONTHS))


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]")


@pytest.mark.parametrize(
    "text", ["h", "15min", "D", "B", "MS", "3MS", "ME", "2QE", "QS", "YS", "YE", "W", "30s", "W-MON", "2W-SUN", "QE-MAR"]
)
def test_a_frequency_is_written_as_it_was_read(text: str):
    assert str(Frequency.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "0h", "00h", "month", "-1D", "1.5h", "9999999s", "h ", "W-JAN", "QE-MON", "D-MON", "W-mon", "ms", "٣h"]
)
def test_what_is_no_frequency_is_refused_with_those_that_are(text: str):
    with pytest.raises(ValueError, match="one of s, min, h, D, W, B, MS, ME, QS, QE, YS, YE; weeks may name their day"):
        Frequency.parse(text)


@pytest.mark.parametrize(
    ("alias", "text"),
    [("H", "h"), ("15T", "15min"), ("S", "s"), ("M", "ME"), ("Q", "QE"), ("Q-MAR", "QE-MAR"), ("Y", "YE"), ("A-DEC", "YE-DEC")],
)
def test_names_of_older_releases_of_pandas_are_read(alias: str, text: str):
    assert str(Frequency.parse(alias)) == text


@pytest.mark.parametrize(
    ("text", "nearest"), [("BMS", "MS"), ("2BME", "ME"), ("BQE-DEC", "QE"), ("bh", "h"), ("C", "B"), ("WOM-2TUE", "MS"), ("SME-15", "ME")]
)
def test_steps_of_pandas_that_are_not_supported_are_refused_with_the_nearest(text: str, nearest: str):
    with pytest.raises(ValueError, match=f"unknown frequency '{text}': .*; the nearest to it is {nearest}$"):
        Frequency.parse(text)


@pytest.mark.parametrize(
    ("frequency", "start", "after"),
    [
        ("h", "2026-01-31T23:30:00", ["2026-02-01T00:30:00", "2026-02-01T01:30:00"]),
        ("15min", "2026-01-31T23:45:00", ["2026-02-01T00:00:00", "2026-02-01T00:15:00"]),
        ("D", "2024-02-28", ["2024-02-29T00:00:00", "2024-03-01T00:00:00"]),
        ("W", "2026-01-01", ["2026-01-08T00:00:00", "2026-01-15T00:00:00"]),
        ("W-THU", "2026-01-01", ["2026-01-08T00:00:00", "2026-01-15T00:00:00"]),
        ("B", "2026-01-29", ["2026-01-30T00:00:00", "2026-02-02T00:00:00"]),
        ("MS", "2025-12-01", ["2026-01-01T00:00:00", "2026-02-01T00:00:00"]),
        ("MS", "2026-01-30", ["2026-02-28T00:00:00", "2026-03-30T00:00:00"]),
        ("ME", "2026-01-31", ["2026-02-28T00:00:00", "2026-03-31T00:00:00"]),
        ("ME", "2024-02-29T17:00:00", ["2024-03-31T17:00:00", "2024-04-30T17:00:00"]),
        ("QS", "2025-10-01", ["2026-01-01T00:00:00", "2026-04-01T00:00:00"]),
        ("QE", "2025-11-30", ["2026-02-28T00:00:00", "2026-05-31T00:00:00"]),
        ("YS", "2023-01-01", ["2024-01-01T00:00:00", "2025-01-01T00:00:00"]),
        ("YE", "2024-02-29", ["2025-02-28T00:00:00", "2026-02-28T00:00:00"]),
    ],
)
def test_steps_follow_the_calendar(frequency: str, start: str, after: list[str]):
    assert Frequency.parse(frequency).after(np.datetime64(start, "s"), 2).astype(str).tolist() == after


def test_a_business_day_keeps_its_hour():
    friday = np.datetime64("2026-01-30T17:30:00", "s")

    assert Frequency.parse("B").after(friday, 1).astype(str).tolist() == ["2026-02-02T17:30:00"]


@pytest.mark.parametrize(
    ("frequency", "start", "place"),
    [
        ("B", "2026-01-31", "business day"),
        ("W-MON", "2026-01-31", "Monday"),
        ("ME", "2026-01-30", "last day of a month"),
        ("QE", "2026-02-27", "last day of a month"),
        ("QE-DEC", "2026-02-28", "time of QE-DEC"),
        ("YS-APR", "2026-01-01", "time of YS-APR"),
    ],
)
def test_a_series_begins_only_where_its_step_may(frequency: str, start: str, place: str):
    found = Frequency.parse(frequency)

    assert not found.fits(np.datetime64(start, "s"))
    assert found.place == place
    assert found.steps_between(np.datetime64(start, "s"), times(start, "2026-03-31")).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("frequency", "texts", "steps"),
    [
        ("h", ("2026-01-01T00", "2026-01-01T01", "2026-01-01T05"), [0, 1, 5]),
        ("2h", ("2026-01-01T00", "2026-01-01T02", "2026-01-01T03"), [0, 1, -1]),
        ("B", ("2026-01-30", "2026-02-02", "2026-02-04"), [0, 1, 3]),
        ("B", ("2026-01-30", "2026-01-31"), [0, -1]),
        ("MS", ("2026-01-01", "2026-03-01", "2026-03-02"), [0, 2, -1]),
        ("ME", ("2026-01-31", "2026-02-28", "2026-04-30", "2026-05-30"), [0, 1, 3, -1]),
        ("2ME", ("2026-01-31", "2026-02-28", "2026-03-31"), [0, -1, 1]),
        ("W-SAT", ("2026-01-31", "2026-02-14", "2026-02-15"), [0, 2, -1]),
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
    text=st.sampled_from((*UNITS, *ANCHORED)),
    count=st.integers(1, 4),
    start=st.dates(min_value=date(1950, 1, 2), max_value=date(2100, 1, 1)),
    steps=st.integers(1, 40),
)
def test_a_span_is_the_date_range_of_pandas(text: str, count: int, start: date, steps: int):
    first = pd.date_range(start, periods=1, freq=text)[0]
    unit = text
    if text == "W":  # ours begins anywhere, pandas' on Sunday
        first = pd.Timestamp(start)
        unit = f"W-{WEEKDAYS[first.weekday()]}"
    expected = pd.date_range(first, periods=steps, freq=f"{count}{unit}")

    frequency = Frequency.parse(f"{count}{text}")
    found = frequency.span(np.datetime64(first.to_datetime64(), "s"), steps)

    np.testing.assert_array_equal(found, expected.to_numpy("datetime64[s]"))
    assert frequency.steps_between(found[0], found).tolist() == list(range(steps))


@given(
    text=st.sampled_from(("2h", "15min", "D", "W", "MS", "ME", "QS", "QE", "YS", "YE", "2ME", "2YS")),
    start=st.dates(min_value=date(1950, 1, 2), max_value=date(2100, 1, 1)),
    hour=st.integers(0, 23),
)
def test_the_frequency_of_a_span_is_found(text: str, start: date, hour: int):
    frequency = Frequency.parse(text)
    first = np.datetime64(start.replace(day=1) if text.endswith("S") else start, "s") + np.timedelta64(hour, "h")
    if text.endswith("E"):
        first = Frequency.parse("ME").span(first, 1)[0]

    assert infer_frequency(frequency.span(first, 30)) == frequency


@pytest.mark.parametrize("text", ["h", "15min", "30s", "D", "B", "W", "W-WED", "MS", "ME", "QS", "QS-FEB", "QE", "YS", "YE", "YE-MAR"])
def test_a_frequency_as_pandas_writes_it_has_the_same_times(text: str):
    index = pd.date_range("2024-01-01", periods=12, freq=text)

    frequency = Frequency.parse(str(index.freqstr))

    np.testing.assert_array_equal(frequency.span(index.to_numpy("datetime64[s]")[0], 12), index.to_numpy("datetime64[s]"))


@pytest.mark.parametrize(
    ("text", "seasons"),
    [
        ("h", (24, 168)),
        ("15min", (96, 672)),
        ("D", (7,)),
        ("B", (5,)),
        ("W", (52,)),
        ("W-MON", (52,)),
        ("2W", ()),
        ("MS", (12,)),
        ("ME", (12,)),
        ("2ME", (6,)),
        ("5MS", ()),
        ("QS", (4,)),
        ("QE-DEC", (4,)),
        ("YS", ()),
        ("YE", ()),
    ],
)
def test_seasons_are_a_day_a_week_or_a_year(text: str, seasons: tuple[int, ...]):
    assert Frequency.parse(text).seasons == seasons


@pytest.mark.parametrize("text", ["h", "15min", "D", "W", "B", "MS", "QS", "YS", "2h", "30s"])
def test_the_frequency_of_regular_times_is_found(text: str):
    frequency = Frequency.parse(text)

    assert infer_frequency(frequency.span(np.datetime64("2024-01-01", "s"), 30)) == frequency


@pytest.mark.parametrize(("text", "steps"), [("h", [3, 4, 10]), ("ME", [1, 7, 20]), ("QE", [2, 3])])
def test_gaps_do_not_hide_the_frequency(text: str, steps: list[int]):
    regular = Frequency.parse(text).span(np.datetime64("2024-01-31", "s"), 30)

    assert str(infer_frequency(np.delete(regular, steps))) == text


def test_too_few_times_have_no_frequency():
    with pytest.raises(ValueError, match="2 times are too few to infer a frequency: give it"):
        infer_frequency(times("2026-01-01", "2026-01-02"))


def test_irregular_times_have_no_frequency():
    irregular = times("2026-01-01T00:00", "2026-01-01T00:01", "2026-01-01T00:03", "2026-01-01T00:07", "2026-01-01T00:15")

    with pytest.raises(ValueError, match=r"no regular step: the commonest, 60 s, is kept by 1 of 4 rows: resample"):
        infer_frequency(irregular)

from __future__ import annotations

import numpy as np
import pytest

from service.contract.clock import Clock
from service.contract.frequency import Frequency


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]")


def clock(step: str, zone: str | None = None, holidays: str | None = None) -> Clock:
    return Clock(Frequency.parse(step), zone, holidays)


def test_without_a_time_zone_times_are_as_they_stand():
    plain = clock("h")

    assert not plain.absolute
    assert plain.wall(times("2026-03-29T02:00")).astype(str).tolist() == ["2026-03-29T02:00:00"]
    assert plain.offsets(times("2026-03-29T02:00")) is None


@pytest.mark.parametrize(
    ("zone", "utc", "hours", "offsets"),
    [
        ("Europe/Berlin", "2026-03-29T00:00", [1, 3, 4], [3600, 7200, 7200]),
        ("Europe/Berlin", "2026-10-25T00:00", [2, 2, 3], [7200, 3600, 3600]),
        ("America/New_York", "2026-03-08T06:00", [1, 3, 4], [-18_000, -14_400, -14_400]),
        ("America/New_York", "2026-11-01T05:00", [1, 1, 2], [-14_400, -18_000, -18_000]),
    ],
)
def test_hours_run_on_while_local_clocks_change(zone: str, utc: str, hours: list[int], offsets: list[int]):
    hourly = clock("h", zone)
    grid = hourly.frequency.span(np.datetime64(utc, "s"), 3)

    assert hourly.absolute
    assert hourly.features(grid, ("hour_of_day",))[:, 0].tolist() == pytest.approx([hour / 24 - 0.5 for hour in hours])
    assert hourly.offsets(grid).tolist() == offsets


@pytest.mark.parametrize(
    ("zone", "start", "offsets"),
    [
        ("Europe/Berlin", "2026-03-28", [3600, 3600, 7200]),
        ("America/New_York", "2026-10-31", [-14_400, -14_400, -18_000]),
    ],
)
def test_days_begin_by_the_local_date_however_long_they_are(zone: str, start: str, offsets: list[int]):
    daily = clock("D", zone)
    grid = daily.frequency.span(np.datetime64(start, "s"), 3)

    assert not daily.absolute
    assert daily.wall(grid) is grid
    assert daily.offsets(grid).tolist() == offsets


def test_holidays_are_those_of_the_local_date():
    christmas = times("2026-12-24T22:30", "2026-12-24T23:30", "2026-12-26T22:30", "2026-12-26T23:30")  # UTC

    features = clock("h", "Europe/Berlin", "DE").features(christmas, ("holiday", "holiday_eve"))

    assert features.tolist() == [[-0.5, 0.5], [0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]]

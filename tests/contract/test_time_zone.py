from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.time_zone import check_zone, instants, local_days, second_shows, utc_offsets, wall_times

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Africa/Casablanca", "UTC")


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]")


def local_of_pandas(zone: str, utc: np.ndarray) -> np.ndarray:
    return pd.DatetimeIndex(utc, tz="UTC").tz_convert(zone).tz_localize(None).to_numpy("datetime64[s]")


@given(
    zone=st.sampled_from(ZONES),
    start=st.datetimes(min_value=datetime.fromisoformat("1905-01-01"), max_value=datetime.fromisoformat("2150-01-01")),
    step_s=st.sampled_from([60, 900, 3600, 86_400, 40 * 86_400]),
)
def test_wall_times_are_those_of_pandas(zone: str, start: datetime, step_s: int):
    utc = np.datetime64(start, "s") + np.arange(200) * np.timedelta64(step_s, "s")

    np.testing.assert_array_equal(wall_times(zone, utc), local_of_pandas(zone, utc))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("step", ["h", "15min"])
@pytest.mark.parametrize("begin", ["2026-03-05", "2026-10-20"])
def test_a_month_of_wall_times_in_order_leads_back_to_its_instants(zone: str, step: str, begin: str):
    utc = pd.date_range(f"{begin}T12:00", periods=4 * 24 * 30, freq=step).to_numpy("datetime64[s]")
    wall = wall_times(zone, utc)

    found = instants(zone, wall, later=second_shows(wall))

    np.testing.assert_array_equal(found.times, utc)
    assert not found.skipped.any()


@pytest.mark.parametrize(
    ("zone", "wall", "earlier", "later"),
    [
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00", "2026-10-25T01:30:00"),
        ("America/New_York", "2026-11-01T01:00:00", "2026-11-01T05:00:00", "2026-11-01T06:00:00"),
    ],
)
def test_a_time_that_clocks_show_twice_is_two_instants(zone: str, wall: str, earlier: str, later: str):
    found = [instants(zone, times(wall), later=np.array([which])) for which in (False, True)]

    assert [str(one.times[0]) for one in found] == [earlier, later]
    assert all(one.repeated[0] for one in found)


@pytest.mark.parametrize(
    ("zone", "wall", "taken"),
    [
        ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:30:00"),
        ("America/New_York", "2026-03-08T02:00:00", "2026-03-08T07:00:00"),
    ],
)
def test_a_time_that_clocks_leap_over_is_told(zone: str, wall: str, taken: str):
    found = instants(zone, times(wall), later=np.array([False]))

    assert (str(found.times[0]), found.skipped[0], found.repeated[0]) == (taken, True, False)


def test_midnights_are_dates_in_whatever_offset_and_other_days_become_local():
    wall = times("2026-03-28T00:00", "2026-03-28T23:00")

    assert local_days("Europe/Berlin", wall, np.array([0, 0])).astype(str).tolist() == ["2026-03-28T00:00:00", "2026-03-29T00:00:00"]
    assert local_days("Europe/Berlin", wall, None) is wall


def test_ages_away_a_zone_keeps_the_offset_of_the_nearest_year_known():
    assert utc_offsets("Europe/Berlin", times("0001-07-01", "9999-07-01")).tolist() == [3600, 3600]
    assert utc_offsets("Europe/Berlin", times()).tolist() == []


@pytest.mark.parametrize("name", ["Europe/Berlim", "Europe", "", "../../etc/passwd", "/etc/passwd", "a\0b", "x" * 300])
def test_what_is_no_time_zone_is_refused_with_what_is(name: str):
    with pytest.raises(ValueError, match=r"unknown time zone .*: give a name of the IANA database, such as Europe/Berlin or UTC"):
        check_zone(name)


def test_times_that_begin_amid_a_doubled_hour_are_later_once_they_have_gone_back():
    quarters = times("2026-10-25T02:30", "2026-10-25T02:45", "2026-10-25T02:00", "2026-10-25T02:15", "2026-10-25T02:30", "2026-10-27T02:30")

    assert second_shows(quarters).tolist() == [False, False, True, True, True, False]
    assert second_shows(quarters[:0]).tolist() == []

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from service.contract.clock import Clock
from service.contract.frequency import Frequency
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, converse
from service.tasks.forecast import Forecast, History, column, encode, forecast, on_grid
from service.tasks.timestamps import iso_times, parse_start, parse_times
from tests import artifacts

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def task_of(tiny: artifacts.Tiny) -> ForecastTask:
    assert isinstance(tiny.task, ForecastTask)
    return tiny.task


def model(step: str, zone: str | None = None, *, calendar: tuple[str, ...] = (), holidays: str | None = None) -> artifacts.Tiny:
    return artifacts.forecaster(frequency=step, time_zone=zone, calendar=calendar, holidays=holidays)


def clock(step: str, zone: str | None = None) -> Clock:
    return Clock(Frequency.parse(step), zone)


def laid(tiny: artifacts.Tiny, *timestamps: str) -> History:
    """The values 1, 2, 3, ... at these times, on the grid."""
    values = column(list(range(1, len(timestamps) + 1)), where=())
    return on_grid(task_of(tiny), History(values), timestamps, where=())


def answered(tiny: artifacts.Tiny, history: History) -> Forecast:
    [answer] = converse(forecast(task_of(tiny), [history]), tiny.run)
    return answer


@pytest.mark.parametrize(
    ("zone", "step", "sent", "told"),
    [
        (
            BERLIN,
            "h",
            ["2026-03-29T00:00:00+01:00", "2026-03-29T01:00:00+01:00"],
            ["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00", "2026-03-29T05:00:00+02:00"],
        ),
        (
            BERLIN,
            "h",
            ["2026-10-25T00:00:00+02:00", "2026-10-25T01:00:00+02:00"],
            ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
        ),
        (
            NEW_YORK,
            "h",
            ["2026-03-08T00:00:00-05:00", "2026-03-08T01:00:00-05:00"],
            ["2026-03-08T03:00:00-04:00", "2026-03-08T04:00:00-04:00", "2026-03-08T05:00:00-04:00"],
        ),
        (
            NEW_YORK,
            "h",
            ["2026-10-31T23:00:00-04:00", "2026-11-01T00:00:00-04:00"],
            ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"],
        ),
        (
            BERLIN,
            "15min",
            ["2026-03-29T01:15:00+01:00", "2026-03-29T01:30:00+01:00"],
            ["2026-03-29T01:45:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00"],
        ),
        (
            NEW_YORK,
            "15min",
            ["2026-11-01T01:15:00-04:00", "2026-11-01T01:30:00-04:00"],
            ["2026-11-01T01:45:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:15:00-05:00"],
        ),
        (
            BERLIN,
            "D",
            ["2026-03-27T00:00:00+01:00", "2026-03-28T00:00:00+01:00"],
            ["2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00"],
        ),
        (
            NEW_YORK,
            "D",
            ["2026-10-30T00:00:00-04:00", "2026-10-31T00:00:00-04:00"],
            ["2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00", "2026-11-03T00:00:00-05:00"],
        ),
    ],
)
def test_forecasts_across_a_change_of_clocks_are_local_with_the_offset_that_holds(zone: str, step: str, sent: list[str], told: list[str]):
    tiny = model(step, zone)

    assert answered(tiny, laid(tiny, *sent)).timestamps == told


@pytest.mark.parametrize(
    ("zone", "step", "timestamps"),
    [
        (BERLIN, "h", ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]),
        (BERLIN, "h", ["2026-03-29T01:00", "2026-03-29T03:00", "2026-03-29T04:00"]),
        (BERLIN, "h", ["2026-03-29T00:00Z", "2026-03-29T03:00+02:00", "2026-03-29T02:00Z"]),
        (BERLIN, "h", ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]),
        (BERLIN, "h", ["2026-10-25T02:00", "2026-10-25T02:00", "2026-10-25T03:00"]),
        (NEW_YORK, "h", ["2026-03-08T01:00-05:00", "2026-03-08T03:00-04:00", "2026-03-08T04:00-04:00"]),
        (NEW_YORK, "h", ["2026-11-01T01:00", "2026-11-01T01:00", "2026-11-01T02:00"]),
        (NEW_YORK, "15min", ["2026-11-01T01:45-04:00", "2026-11-01T01:00-05:00", "2026-11-01T01:15-05:00"]),
        (BERLIN, "15min", ["2026-03-29T01:45", "2026-03-29T03:00", "2026-03-29T03:15"]),
        (BERLIN, "D", ["2026-03-28", "2026-03-29", "2026-03-30"]),
        (BERLIN, "D", ["2026-03-28T00:00+01:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"]),
        (BERLIN, "D", ["2026-03-27T23:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"]),
        (NEW_YORK, "D", ["2026-10-31T00:00Z", "2026-11-01T00:00Z", "2026-11-02T00:00Z"]),
    ],
)
def test_histories_across_a_change_of_clocks_lose_and_double_no_step(zone: str, step: str, timestamps: list[str]):
    assert laid(model(step, zone), *timestamps).values.tolist() == [1, 2, 3]


def test_instants_are_answered_in_the_time_zone_of_the_model():
    tiny = model("h", NEW_YORK)

    assert answered(tiny, laid(tiny, "2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z")).timestamps == [
        "2026-07-01T08:00:00-04:00",
        "2026-07-01T09:00:00-04:00",
        "2026-07-01T10:00:00-04:00",
    ]


def test_features_are_of_the_local_time_on_both_sides_of_a_change():
    tiny = model("h", BERLIN, calendar=("hour_of_day",))
    history = laid(tiny, "2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00")

    derived = encode(task_of(tiny), [history], horizon=3)["future"][0, -6:, 0]

    assert derived.tolist() == pytest.approx([hour / 24 - 0.5 for hour in (1, 2, 2, 3, 4, 5)])


def test_holidays_are_of_the_local_date():
    tiny = model("h", BERLIN, calendar=("holiday",), holidays="DE")
    history = laid(tiny, "2026-12-24T21:00:00Z", "2026-12-24T22:00:00Z")

    derived = encode(task_of(tiny), [history], horizon=3)["future"][0, -5:, 0]

    assert derived.tolist() == [-0.5, -0.5, 0.5, 0.5, 0.5]


def test_a_time_that_clocks_leapt_over_is_refused_with_its_place():
    with pytest.raises(QuestionError, match=r"2026-03-29T02:00 never was in Europe/Berlin, .* send it with its offset from UTC") as refusal:
        laid(model("h", BERLIN), "2026-03-29T01:00", "2026-03-29T02:00", "2026-03-29T03:00")

    assert refusal.value.where == ("timestamps", 1)


@pytest.mark.parametrize(
    ("step", "zone", "text", "start", "offset"),
    [
        ("h", None, "2026-03-29T02:00", "2026-03-29T02:00:00", None),
        ("h", None, "2026-03-29T02:00+05:30", "2026-03-29T02:00:00", timedelta(hours=5, minutes=30)),
        ("h", BERLIN, "2026-03-29T03:00", "2026-03-29T01:00:00", None),
        ("h", BERLIN, "2026-03-29T03:00+02:00", "2026-03-29T01:00:00", timedelta(hours=2)),
        ("h", BERLIN, "2026-10-25T02:00", "2026-10-25T00:00:00", None),
        ("D", BERLIN, "2026-03-28T23:00Z", "2026-03-29T00:00:00", timedelta(0)),
        ("ME", None, "2026-02-28", "2026-02-28T00:00:00", None),
    ],
)
def test_a_start_is_put_on_the_clock_of_the_model(step: str, zone: str | None, text: str, start: str, offset: timedelta | None):
    assert parse_start(clock(step, zone), text, where=()) == (np.datetime64(start, "s"), offset)


@pytest.mark.parametrize(
    ("step", "zone", "text", "message"),
    [
        ("ME", None, "2026-02-27", "2026-02-27 is no last day of a month"),
        ("W-MON", None, "2026-02-27", "2026-02-27 is no Monday"),
        ("B", None, "2026-02-28", "2026-02-28 is no business day: a series of this model begins on one"),
        ("h", BERLIN, "2026-03-29T02:30", "2026-03-29T02:30 never was in Europe/Berlin"),
        ("h", BERLIN, "soon", "'soon' is not a time"),
    ],
)
def test_a_start_where_no_series_begins_is_refused(step: str, zone: str | None, text: str, message: str):
    with pytest.raises(QuestionError) as refusal:
        parse_start(clock(step, zone), text, where=("series", 0, "start"))

    assert refusal.value.message.startswith(message)
    assert refusal.value.where == ("series", 0, "start")


@pytest.mark.parametrize(
    ("step", "sent", "told"),
    [
        ("ME", ["2026-01-31", "2026-02-28"], ["2026-03-31T00:00:00", "2026-04-30T00:00:00", "2026-05-31T00:00:00"]),
        ("QE-DEC", ["2025-09-30", "2025-12-31"], ["2026-03-31T00:00:00", "2026-06-30T00:00:00", "2026-09-30T00:00:00"]),
        ("YE", ["2023-12-31", "2024-12-31"], ["2025-12-31T00:00:00", "2026-12-31T00:00:00", "2027-12-31T00:00:00"]),
        ("W-MON", ["2026-01-05", "2026-01-12"], ["2026-01-19T00:00:00", "2026-01-26T00:00:00", "2026-02-02T00:00:00"]),
    ],
)
def test_ends_of_months_and_anchored_weeks_are_answered(step: str, sent: list[str], told: list[str]):
    tiny = model(step)

    assert answered(tiny, laid(tiny, *sent)).timestamps == told


@pytest.mark.parametrize(
    ("step", "timestamps", "message"),
    [
        ("ME", ["2026-01-30", "2026-02-28"], "2026-01-30 is no last day of a month"),
        ("ME", ["2026-01-31", "2026-03-30"], "2026-03-30 is not a whole number of steps of ME after 2026-01-31"),
        ("W-MON", ["2026-01-06", "2026-01-13"], "2026-01-06 is no Monday"),
    ],
)
def test_times_off_the_ends_of_months_or_the_day_of_the_week_are_refused(step: str, timestamps: list[str], message: str):
    with pytest.raises(QuestionError) as refusal:
        laid(model(step), *timestamps)

    assert refusal.value.message.startswith(message)


def test_without_a_time_zone_mixed_offsets_are_moments_in_the_first_one():
    hours = ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"]

    times, offset = parse_times(clock("h"), hours, where=())

    assert times.astype(str).tolist() == ["2026-03-29T01:00:00", "2026-03-29T02:00:00"]
    assert iso_times(clock("h"), times, offset) == ["2026-03-29T01:00:00+01:00", "2026-03-29T02:00:00+01:00"]


def test_an_offset_of_seconds_is_written_whole():
    early = np.array(["1890-01-01"], "datetime64[s]")

    assert iso_times(clock("D"), early, timedelta(minutes=53, seconds=28)) == ["1890-01-01T00:00:00+00:53:28"]
    assert iso_times(clock("D"), early, -timedelta(hours=3, minutes=6, seconds=28)) == ["1890-01-01T00:00:00-03:06:28"]

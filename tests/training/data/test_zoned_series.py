"""Series in a declared time zone, across the changes of its clocks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from service.contract.manifest import ForecastTask
from service.tasks.forecast import History, encode, on_grid
from training.config import ConfigError, ForecastConfig, build_config
from training.data.files import DataError
from training.data.series import SeriesTable, read_series
from training.data.windows import Windows

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
SPRING, AUTUMN = "2026-03-05", "2026-10-20"  # both zones change their clocks within a month


def read(tmp_path: Path, times: list[str], **settings: object) -> SeriesTable:
    """The series 0, 1, 2, ... at these times."""
    file = tmp_path / "load.csv"
    file.write_text("\n".join(["time,load", *(f"{time},{number}" for number, time in enumerate(times))]) + "\n")
    given = {"name": "load", "data": str(file), "time": "time", "target": "load", "horizon": 2, "context": 4}
    return read_series(ForecastConfig.model_validate(given | settings), echo=lambda _: None)


def local(zone: str, begin: str, step: str, days: int = 30) -> pd.DatetimeIndex:
    """A month of times in the zone, from local noon on for steps of less than a day."""
    hour = "00:00" if step == "D" else "12:00"
    end = pd.Timestamp(f"{begin}T{hour}") + pd.Timedelta(days=days)
    return pd.date_range(f"{begin}T{hour}", end, freq=step, tz=zone)


def written(times: pd.DatetimeIndex, how: str) -> list[str]:
    match how:
        case "offsets":
            return [time.isoformat() for time in times]
        case "Z":
            return [time.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ") for time in times]
        case _:
            return [time.strftime("%Y-%m-%d %H:%M:%S") for time in times]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
@pytest.mark.parametrize("begin", [SPRING, AUTUMN])
@pytest.mark.parametrize("step", ["h", "15min", "D"])
@pytest.mark.parametrize("how", ["offsets", "Z", "wall"])
def test_no_step_is_lost_doubled_or_shifted(zone: str, begin: str, step: str, how: str, tmp_path: Path):
    times = local(zone, begin, step)

    table = read(tmp_path, written(times, how), time_zone=zone)

    (series,) = table.series
    assert str(table.frequency) == step
    np.testing.assert_array_equal(series.target, np.arange(len(times), dtype=np.float32))
    grid = series.times(table.frequency)
    np.testing.assert_array_equal(table.clock.wall(grid), times.tz_localize(None).to_numpy("datetime64[s]"))
    np.testing.assert_array_equal(table.clock.offsets(grid), [time.utcoffset().total_seconds() for time in times])


def test_hours_that_clocks_showed_twice_are_told(tmp_path: Path):
    table = read(tmp_path, written(local(BERLIN, AUTUMN, "h"), "wall"), time_zone=BERLIN)

    assert table.repairs == (
        "'time' has 2 rows within hours that clocks in Europe/Berlin showed twice: where a time stands twice, the second is the later hour",
    )
    assert table.data.description.startswith("'load' every h from 2026-10-20T12:00:00 to 2026-11-19T12:00:00 in Europe/Berlin; ")


def test_rows_that_go_back_in_time_have_the_later_hour_first(tmp_path: Path):
    times = written(local(BERLIN, AUTUMN, "h"), "wall")

    (series,) = read(tmp_path, times[::-1], time_zone=BERLIN).series

    np.testing.assert_array_equal(series.target, np.arange(len(times), dtype=np.float32)[::-1])


def test_each_series_has_its_own_doubled_hour(tmp_path: Path):
    file = tmp_path / "load.csv"
    times = written(local(BERLIN, AUTUMN, "h"), "wall")
    file.write_text("\n".join(["time,load,site", *(f"{time},{number},{site}" for number, time in enumerate(times) for site in "ab")]))
    given = {"name": "load", "data": str(file), "time": "time", "target": "load", "series": "site", "horizon": 2, "time_zone": BERLIN}

    table = read_series(ForecastConfig.model_validate(given), echo=lambda _: None)

    for series in table.series:
        np.testing.assert_array_equal(series.target, np.arange(len(times), dtype=np.float32))


def test_days_that_begin_at_the_time_of_day_of_their_series_keep_their_dates(tmp_path: Path):
    file = tmp_path / "load.csv"
    days = pd.date_range("2026-03-20", periods=20)
    file.write_text("\n".join(["time,load,site", *(f"{day:%Y-%m-%d} {hour},1,{hour}" for day in days for hour in ("06:00", "18:00"))]))
    given = {"name": "load", "data": str(file), "time": "time", "target": "load", "series": "site", "horizon": 2, "context": 4}

    table = read_series(ForecastConfig.model_validate(given | {"time_zone": BERLIN}), echo=lambda _: None)

    assert str(table.frequency) == "D"
    assert [str(series.start) for series in table.series] == ["2026-03-20T06:00:00", "2026-03-20T18:00:00"]


def test_a_time_that_clocks_leapt_over_is_refused_by_row(tmp_path: Path):
    all_year_winter_time = [str(time) for time in pd.date_range("2026-03-28", periods=60, freq="h")]

    with pytest.raises(DataError, match=r"load\.csv row 28, column 'time': 2026-03-29T02:00:00 never was in Europe/Berlin.*--time-zone"):
        read(tmp_path, all_year_winter_time, time_zone=BERLIN)


def test_days_of_another_clock_are_refused_with_the_remedy(tmp_path: Path):
    days_of_utc = [f"2026-03-{day:02d}T05:00Z" for day in range(15, 32)]

    with pytest.raises(DataError, match="a step of D apart, but not all of a series stand at one time of day in Europe/Berlin"):
        read(tmp_path, days_of_utc, time_zone=BERLIN)


def test_rows_are_averaged_over_local_hours(tmp_path: Path):
    halves = pd.date_range("2026-01-01", periods=96, freq="30min", tz="Asia/Kolkata")  # 5:30 ahead of UTC

    table = read(tmp_path, written(halves, "Z"), time_zone="Asia/Kolkata", resample="h")

    (series,) = table.series
    assert str(series.start) == "2025-12-31T18:30:00"
    assert series.target.tolist() == [2 * hour + 0.5 for hour in range(48)]


def test_without_a_time_zone_mixed_offsets_are_put_on_the_first_and_said(tmp_path: Path):
    table = read(tmp_path, written(local(BERLIN, SPRING, "h"), "offsets"))

    assert len(table.series[0].target) == 30 * 24 + 1 - 1  # the month is an hour short
    assert table.repairs == ("'time' is written in 2 UTC offsets (+01:00, +02:00): all times were put on the first row's, +01:00",)
    assert table.clock.offsets(table.series[0].times(table.frequency)) is None


def test_the_ends_of_months_are_a_step(tmp_path: Path):
    ends = [f"{end:%Y-%m-%d}" for end in pd.date_range("2023-01-31", periods=40, freq="ME")]

    table = read(tmp_path, ends)

    assert str(table.frequency) == "ME"
    assert table.calendar == ("month_of_year",)
    assert table.series[0].target.tolist() == list(range(40))


@pytest.mark.parametrize(
    ("frequency", "message"),
    [("W-TUE", r"row 2: 2026-01-05T00:00:00 is no Tuesday: correct the time, or give another"), ("ME", "is no last day of a month")],
)
def test_a_step_that_begins_elsewhere_is_refused(frequency: str, message: str, tmp_path: Path):
    mondays = [f"{day:%Y-%m-%d}" for day in pd.date_range("2026-01-05", periods=20, freq="W-MON")]

    assert str(read(tmp_path, mondays, frequency="W-MON").frequency) == "W-MON"
    with pytest.raises(DataError, match=message):
        read(tmp_path, mondays, frequency=frequency)


def test_holidays_become_features(tmp_path: Path):
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2026-01-01", "2026-12-31")]

    table = read(tmp_path, days, holidays="DE", time_zone=BERLIN)

    assert table.calendar == ("day_of_week", "day_of_month", "holiday", "holiday_eve")
    assert table.holidays == "DE"
    holidays = table.clock.features(table.series[0].times(table.frequency), ("holiday",))[:, 0]
    assert np.flatnonzero(holidays > 0)[:2].tolist() == [0, 92]  # New Year and Good Friday


def test_holidays_without_the_calendar_stand_alone(tmp_path: Path):
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2026-01-01", "2026-12-31")]

    assert read(tmp_path, days, holidays="DE", calendar=False).calendar == ("holiday", "holiday_eve")


def test_holidays_that_were_hardly_seen_are_left_out_and_said(tmp_path: Path):
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2026-06-10", periods=60)]

    table = read(tmp_path, days, holidays="DE")

    assert table.calendar == ("day_of_week",)
    assert table.holidays is None
    assert table.repairs == ("holidays of DE left out, 0 of which lie within the series",)


def test_holidays_of_longer_steps_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="--holidays DE: steps of ME are longer than a day: leave it out"):
        read(tmp_path, [f"{end:%Y-%m-%d}" for end in pd.date_range("2023-01-31", periods=40, freq="ME")], holidays="DE")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time_zone": "Europe/Berlim"}, "--time-zone: unknown time zone 'Europe/Berlim': give a name of the IANA database"),
        ({"holidays": "Germany"}, "--holidays: holidays 'Germany': write a country of ISO 3166"),
        ({"holidays": "XX"}, "--holidays: holidays 'XX' are not known"),
    ],
)
def test_zones_and_countries_that_do_not_exist_are_refused_at_once(settings: dict[str, str], message: str):
    given = {"name": "load", "data": "load.csv", "time": "time", "target": "load", "horizon": 2}

    with pytest.raises(ConfigError) as refused:
        build_config(ForecastConfig, given | settings)

    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
@pytest.mark.parametrize("begin", [SPRING, AUTUMN])
@pytest.mark.parametrize("step", ["h", "15min", "D"])
@pytest.mark.parametrize("how", ["offsets", "Z", "wall"])
def test_a_question_is_given_the_features_of_training(zone: str, begin: str, step: str, how: str, tmp_path: Path):
    times = local(zone, begin, step)
    table = read(tmp_path, written(times, how), time_zone=zone, holidays="US")
    calendar = ("hour_of_day", "day_of_week", "day_of_month", "holiday", "holiday_eve")
    shares = {"context": 6, "horizon": 2, "min_context": 2, "validation": 0.0, "test": 0.0}
    windows = Windows(replace(table, calendar=calendar, holidays="US"), "train", **shares)
    names = {"calendar": calendar, "time_zone": zone, "holidays": "US"}
    task = ForecastTask(target="load", horizon=2, context=6, min_context=2, frequency=step, quantiles=(0.5,), **names)

    change = int(np.flatnonzero(np.diff(np.array([time.utcoffset().total_seconds() for time in times])))[0])
    for origin in (2, 40 if step != "D" else 20, *range(change, change + 6)):
        known = slice(max(origin - 6, 0), origin)
        history = on_grid(task, History(np.arange(origin, dtype=np.float32)[known]), written(times[known], how), where=())
        asked = encode(task, [history], horizon=2)["future"]
        [position] = np.flatnonzero(windows.index[:, 1] == origin)
        np.testing.assert_array_equal(asked, windows.batch(np.array([position])).future)

from pathlib import Path

import numpy as np
import pytest

from service.contract.frequency import Frequency
from training.config import ForecastConfig
from training.data.files import DataError
from training.data.series import Parts, SeriesTable, choose_context, least_context, parts, read_series


def config_for(file: Path, **settings: object) -> ForecastConfig:
    given = {"name": "load", "data": str(file), "time": "time", "target": "load", "horizon": 2, "context": 4, **settings}
    return ForecastConfig.model_validate(given)


def read(tmp_path: Path, rows: list[str], *, header: str = "time,load", **settings: object) -> SeriesTable:
    file = tmp_path / "load.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return read_series(config_for(file, **settings), echo=lambda _: None)


def hourly(count: int, *, first: int = 0) -> list[str]:
    """Rows from 2026-01-01 on, the value being the hour's number."""
    times = np.datetime64("2026-01-01T00:00:00") + np.arange(first, count) * np.timedelta64(1, "h")
    return [f"{time},{number}" for number, time in enumerate(times, first)]


def test_a_clean_file_is_read_as_it_stands(tmp_path: Path):
    table = read(tmp_path, hourly(20))
    (series,) = table.series
    assert str(table.frequency) == "h"
    assert table.calendar == ()
    assert table.repairs == ()
    assert series.start == np.datetime64("2026-01-01T00:00:00")
    np.testing.assert_array_equal(series.target, np.arange(20, dtype=np.float32))
    assert series.past.shape == (20, 0)
    assert (table.data.source, table.data.rows) == ("load.csv", 20)
    assert table.data.description == "'load' every h from 2026-01-01T00:00:00 to 2026-01-01T19:00:00"


def test_unsorted_rows_are_sorted_and_said(tmp_path: Path):
    rows = hourly(20)
    table = read(tmp_path, [*rows[10:], *rows[:10]])
    np.testing.assert_array_equal(table.series[0].target, np.arange(20, dtype=np.float32))
    assert table.repairs == ("rows sorted by time, 1 of them earlier than the row before",)


def test_repeated_rows_are_dropped_and_said(tmp_path: Path):
    rows = hourly(20)
    table = read(tmp_path, [*rows[:5], rows[4], rows[4], *rows[5:]])
    assert len(table.series[0].target) == 20
    assert table.repairs == ("rows dropped because they repeat another: 2",)


def test_two_values_for_one_time_are_refused_with_both_rows_and_the_ways_out(tmp_path: Path):
    rows = hourly(20)
    rows.insert(5, "2026-01-01T04:00:00,99")
    with pytest.raises(
        DataError, match=r"load\.csv rows 6 and 7 have the same time, 2026-01-01T04:00:00, and different values.*--series.*UTC offsets"
    ):
        read(tmp_path, rows)


def test_daylight_saving_is_no_remedy_where_times_have_offsets(tmp_path: Path):
    rows = [row.replace(",", "+01:00,") for row in hourly(20)]
    rows.insert(5, "2026-01-01T04:00:00+01:00,99")
    with pytest.raises(DataError) as refused:
        read(tmp_path, rows)
    assert "daylight" not in str(refused.value)


def test_repeated_times_of_a_named_series_only_ask_for_one_of_the_rows(tmp_path: Path):
    rows = [f"2026-01-{day:02d},1,a" for day in (*range(1, 21), 20)]
    rows[-1] = "2026-01-20,2,a"
    with pytest.raises(DataError, match="different values: keep one of the rows, or average them"):
        read(tmp_path, rows, header="time,load,site", series="site")


def test_steps_without_a_row_become_missing_values_and_are_said(tmp_path: Path):
    rows = hourly(20)
    table = read(tmp_path, rows[:7] + rows[9:])
    assert np.flatnonzero(np.isnan(table.series[0].target)).tolist() == [7, 8]
    assert table.repairs == ("steps of h without a row, taken as missing values: 2",)


def test_gaps_are_an_error_where_that_is_asked_for(tmp_path: Path):
    rows = hourly(20)
    with pytest.raises(
        DataError, match=r"row 9: 2 steps of h are missing between 2026-01-01T06:00:00 and 2026-01-01T09:00:00.*--gaps missing"
    ):
        read(tmp_path, rows[:7] + rows[9:], gaps="error")


def test_a_time_off_the_grid_is_refused_by_row(tmp_path: Path):
    rows = hourly(20)
    rows[8] = "2026-01-01T08:30:00,8"
    with pytest.raises(DataError, match="row 10: 2026-01-01T08:30:00 is not a whole number of steps of h after 2026-01-01T00:00:00"):
        read(tmp_path, rows)


def test_a_time_ages_away_is_refused_instead_of_filled(tmp_path: Path):
    with pytest.raises(DataError, match="leave out nearly every step of h: correct the times"):
        read(tmp_path, ["1700-01-01T00:00:00,1", *hourly(20)])


def test_times_without_a_regular_step_are_refused(tmp_path: Path):
    rows = [f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:00,1" for minute in (0, 1, 3, 7, 15, 31, 63, 127)]
    with pytest.raises(DataError, match=r"load\.csv: no regular step"):
        read(tmp_path, rows)


def test_a_frequency_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="--frequency: unknown frequency 'fortnight'"):
        read(tmp_path, hourly(20), frequency="fortnight")


def test_a_given_frequency_is_kept(tmp_path: Path):
    table = read(tmp_path, hourly(20), frequency="30min")
    assert len(table.series[0].target) == 39


def test_several_series_are_told_apart_and_covariates_kept_in_order(tmp_path: Path):
    rows = [
        f"2026-01-{day:02d},{day * scale},{site},{day + 0.5},{day % 2}" for day in range(1, 21) for site, scale in (("b", 1), ("a", 10))
    ]
    table = read(tmp_path, rows, header="time,load,site,wind,open", series="site", past=("wind",), future=("open",))
    first, second = table.series
    assert (first.id, second.id) == ("b", "a")
    np.testing.assert_array_equal(second.target[:3], np.array([10, 20, 30], np.float32))
    np.testing.assert_array_equal(first.past[:2, 0], np.array([1.5, 2.5], np.float32))
    np.testing.assert_array_equal(first.future[:2, 0], np.array([1, 0], np.float32))


def test_a_row_without_a_series_name_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="row 3, column 'site': no name of a series"):
        read(tmp_path, ["2026-01-01,1,a", "2026-01-02,2,"], header="time,load,site", series="site")


def test_short_series_are_left_out_and_named(tmp_path: Path):
    rows = [f"2026-01-{day:02d},1,long" for day in range(1, 31)] + [f"2026-01-{day:02d},1,short" for day in range(1, 6)]
    table = read(tmp_path, rows, header="time,load,site", series="site")
    assert [series.id for series in table.series] == ["long"]
    assert table.repairs == ("series left out as too short: 1 of 2 (short)",)


def test_only_short_series_are_refused_with_what_they_need(tmp_path: Path):
    with pytest.raises(DataError, match=r"6 steps of h in the longest series are too few: horizon 2 needs at least 7"):
        read(tmp_path, hourly(6))


def test_the_fewest_steps_that_the_message_names_are_enough(tmp_path: Path):
    assert len(read(tmp_path, hourly(7)).series[0].target) == 7


def test_a_series_without_a_single_value_is_left_out(tmp_path: Path):
    rows = [f"2026-01-{day:02d},1,full" for day in range(1, 31)] + [f"2026-01-{day:02d},,empty" for day in range(1, 31)]
    table = read(tmp_path, rows, header="time,load,site", series="site")
    assert [series.id for series in table.series] == ["full"]


def test_steps_before_the_first_and_after_the_last_value_are_left_out(tmp_path: Path):
    rows = hourly(24)
    rows[0], rows[-1], rows[-2] = "2026-01-01T00:00:00,", "2026-01-01T23:00:00,NA", "2026-01-01T22:00:00,"
    table = read(tmp_path, rows)
    assert table.series[0].start == np.datetime64("2026-01-01T01:00:00")
    assert len(table.series[0].target) == 21
    assert table.repairs == ("steps left out before the first and after the last value of 'load': 3",)


def test_only_rows_with_the_wanted_texts_are_kept(tmp_path: Path):
    rows = [f"2026-01-{day:02d},{day},{site}" for day in range(1, 21) for site in ("a", "b")]
    table = read(tmp_path, rows, header="time,load,site", only={"site": ("b",)})
    assert len(table.series) == 1
    assert table.data.rows == 20


def test_texts_that_no_row_has_are_refused_with_those_there(tmp_path: Path):
    with pytest.raises(DataError, match="no row has 'c' in column 'site'; it has 'a'"):
        read(tmp_path, ["2026-01-01,1,a"], header="time,load,site", only={"site": ("c",)})


def test_weekdays_are_business_days(tmp_path: Path):
    days = np.busday_offset("2026-01-01", np.arange(30), roll="forward")
    table = read(tmp_path, [f"{day},1" for day in days])
    assert table.frequency == Frequency(1, "B")


def test_without_the_calendar_nothing_is_derived(tmp_path: Path):
    assert read(tmp_path, hourly(20), calendar=False).calendar == ()


def test_every_repair_is_echoed(tmp_path: Path):
    file = tmp_path / "load.csv"
    rows = hourly(20)
    file.write_text("\n".join(["time,load", *rows[:7], *rows[8:]]))
    said: list[str] = []
    read_series(config_for(file), echo=said.append)
    assert said == ["load.csv: steps of h without a row, taken as missing values: 1"]


@pytest.mark.parametrize(
    ("frequency", "horizon", "context"),
    [("h", 48, 336), ("B", 5, 60), ("15min", 96, 672), ("YS", 40, 80), ("min", 900, 1024), ("W", 4, 104)],
)
def test_a_context_is_chosen_from_season_and_horizon(frequency: str, horizon: int, context: int):
    config = config_for(Path("load.csv"), horizon=horizon, context=None)
    assert choose_context(config, Frequency.parse(frequency)) == context


def test_a_configured_context_is_kept():
    assert choose_context(config_for(Path("load.csv"), context=7), Frequency.parse("h")) == 7


def test_a_history_must_be_an_eighth_full():
    assert [least_context(context) for context in (1, 5, 336)] == [1, 1, 42]


def test_parts_are_shares_but_at_least_a_horizon():
    assert parts(1000, horizon=10, validation=0.1, test=0.2) == Parts(700, 800)
    assert parts(100, horizon=20, validation=0.1, test=0.1) == Parts(60, 80)
    assert parts(100, horizon=20, validation=0, test=0) == Parts(100, 100)


def test_rows_are_averaged_over_the_steps_asked_for(tmp_path: Path):
    rows = [f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:00,{minute // 10}" for minute in range(0, 24 * 60 - 5, 10)]
    rows[3] = "2026-01-01T00:30:00,"
    table = read(tmp_path, rows, resample="h")
    assert str(table.frequency) == "h"
    assert table.series[0].target[:3].tolist() == [pytest.approx((0 + 1 + 2 + 4 + 5) / 5), 8.5, 14.5]
    assert len(table.series[0].target) == 24


def test_averaging_settles_repeated_times(tmp_path: Path):
    table = read(tmp_path, [*hourly(20), "2026-01-01T19:00:00,21"], resample="h")
    assert table.series[0].target[19] == 20.0


@pytest.mark.parametrize(
    ("step", "said"), [("7min", "give a step that fits a day"), ("W", "give a step that fits a day"), ("x", "--resample: unknown")]
)
def test_a_step_that_does_not_fit_a_day_is_refused(step: str, said: str, tmp_path: Path):
    with pytest.raises(DataError, match=said):
        read(tmp_path, hourly(20), resample=step)


@pytest.mark.parametrize(("days", "expected"), [(1, ()), (3, ("hour_of_day",)), (20, ("hour_of_day", "day_of_week"))])
def test_only_cycles_that_were_seen_twice_become_calendar_features(days: int, expected: tuple[str, ...], tmp_path: Path):
    times = np.datetime64("2026-01-01T00", "s") + np.arange(24 * days + 1) * np.timedelta64(3600, "s")
    assert read(tmp_path, [f"{time},{number}" for number, time in enumerate(times)]).calendar == expected

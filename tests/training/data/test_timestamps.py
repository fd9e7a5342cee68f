from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.data.files import DataError
from training.data.tables import read_table
from training.data.timestamps import Timestamps, read_times


def times_of(tmp_path: Path, *texts: str) -> Timestamps:
    file = tmp_path / "load.csv"
    file.write_text("\n".join(["time,load", *(f"{text},1" for text in texts)]) + "\n")
    return read_times(read_table(file), "time")


def seconds(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]")


@pytest.mark.parametrize("text", ["2026-01-31", "2026-01-31T00:00", "2026-01-31 00:00:00", "20260131"])
def test_iso_8601_is_read_in_its_usual_forms(tmp_path: Path, text: str):
    stamps = times_of(tmp_path, text)
    np.testing.assert_array_equal(stamps.times, seconds("2026-01-31"))
    assert stamps.times.dtype == np.dtype("datetime64[s]")
    assert not stamps.zoned


def test_a_month_alone_is_its_first_day(tmp_path: Path):
    np.testing.assert_array_equal(times_of(tmp_path, "1949-01", "1949-12").times, seconds("1949-01-01", "1949-12-01"))


@pytest.mark.parametrize("text", ["31/01/2026", "tomorrow", "2026-02-30", "2026-01-31T25:00"])
def test_another_notation_is_refused_by_row(tmp_path: Path, text: str):
    with pytest.raises(DataError, match=r"row 3, column 'time': '.*' is not a time: write ISO 8601"):
        times_of(tmp_path, "2026-01-30", text)


def test_a_row_without_a_time_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="row 3, column 'time': no time"):
        times_of(tmp_path, "2026-01-30", "")


def test_fractions_of_a_second_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="row 2, column 'time': fractions of a second"):
        times_of(tmp_path, "2026-01-30T00:00:00.250")


def test_offsets_that_change_are_put_on_the_clock_of_the_first_row(tmp_path: Path):
    stamps = times_of(tmp_path, "2016-03-13T01:00:00-06:00", "2016-03-13T03:00:00-05:00", "2016-03-13 09:00:00 Z")
    np.testing.assert_array_equal(stamps.times, seconds("2016-03-13T01", "2016-03-13T02", "2016-03-13T03"))
    assert stamps.repairs == ("'time' is written in 3 UTC offsets (-06:00, -05:00, +00:00): all times were put on the first row's, -06:00",)


def test_local_midnights_stay_midnights_over_daylight_saving(tmp_path: Path):
    stamps = times_of(tmp_path, "2016-03-12T00:00:00-06:00", "2016-03-13T00:00:00-06:00", "2016-03-14T00:00:00-05:00")
    np.testing.assert_array_equal(stamps.times, seconds("2016-03-12", "2016-03-13", "2016-03-14"))
    assert "the local dates were kept" in stamps.repairs[0]
    assert stamps.daily


def test_one_offset_needs_no_repair(tmp_path: Path):
    stamps = times_of(tmp_path, "2016-03-12T00:00:00+0530", "2016-03-12T01:00:00+05:30")
    assert stamps.zoned
    assert stamps.repairs == ()


def test_an_offset_in_some_rows_only_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="row 3, column 'time': no UTC offset, but other rows have one"):
        times_of(tmp_path, "2016-03-12T00:00:00Z", "2016-03-12T01:00:00")


def test_typed_times_of_parquet_are_taken_with_their_zone(tmp_path: Path):
    file = tmp_path / "load.parquet"
    times = pd.to_datetime(["2016-03-13T07:00", "2016-03-13T08:00"], utc=True).tz_convert("America/Chicago")
    pd.DataFrame({"time": times, "load": [1, 2]}).to_parquet(file)
    stamps = read_times(read_table(file), "time")
    np.testing.assert_array_equal(stamps.times, seconds("2016-03-13T01", "2016-03-13T02"))


def test_typed_times_without_a_zone_are_taken_as_they_stand(tmp_path: Path):
    file = tmp_path / "load.parquet"
    pd.DataFrame({"time": pd.to_datetime(["2016-03-13"]), "load": [1]}).to_parquet(file)
    np.testing.assert_array_equal(read_times(read_table(file), "time").times, seconds("2016-03-13"))


def test_a_missing_typed_time_is_refused_by_row(tmp_path: Path):
    file = tmp_path / "load.parquet"
    pd.DataFrame({"time": pd.to_datetime(["2016-03-13", None]), "load": [1, 2]}).to_parquet(file)
    with pytest.raises(DataError, match="row 2, column 'time': no time"):
        read_times(read_table(file), "time")

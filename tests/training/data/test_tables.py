import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.data.files import DataError
from training.data.tables import read_table


def csv(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "load.csv"
    file.write_text(text)
    return file


def test_text_in_a_number_column_is_named_by_row_column_and_text(tmp_path: Path):
    table = read_table(csv(tmp_path, "time,load\n1,5.5\n2,off\n3,broken\n"))
    with pytest.raises(DataError, match=r"load\.csv row 3, column 'load': 'off' is not a number: .* \(1 more rows like it\)"):
        table.numbers("load")


def test_rows_are_counted_as_an_editor_counts_them_blank_lines_included(tmp_path: Path):
    table = read_table(csv(tmp_path, "load\n1\n\n\nx\n"))
    with pytest.raises(DataError, match="row 5, column 'load': 'x'"):
        table.numbers("load")


@pytest.mark.parametrize("missing", ["", "NA", "nan", "n/a", "NULL", " None "])
def test_usual_words_for_nothing_are_missing_values(tmp_path: Path, missing: str):
    table = read_table(csv(tmp_path, f"time,load\n1,5.5\n2,{missing}\n3, 7 \n"))
    np.testing.assert_array_equal(table.numbers("load"), np.array([5.5, np.nan, 7.0], np.float32))


@pytest.mark.parametrize("number", ["inf", "-Infinity", "1e39"])
def test_numbers_beyond_a_32_bit_float_are_refused(tmp_path: Path, number: str):
    with pytest.raises(DataError, match=r"row 2, column 'load': .* is not finite as a 32-bit float"):
        read_table(csv(tmp_path, f"load\n{number}\n")).numbers("load")


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path):
    with pytest.raises(DataError, match=r"load\.csv has no column 'Load'; it has 'time', 'load'"):
        read_table(csv(tmp_path, "time,load\n1,2\n")).require(["time", "Load"])


def test_columns_separated_by_semicolons_are_recognised(tmp_path: Path):
    with pytest.raises(DataError, match="separate the columns by commas"):
        read_table(csv(tmp_path, "time;load\n1;2\n")).require(["load"])


def test_a_byte_order_mark_and_spaces_around_names_do_not_count(tmp_path: Path):
    file = tmp_path / "load.csv"
    file.write_bytes("\ufefftime, load \n1,2\n".encode())
    assert read_table(file).columns == ["time", "load"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "No columns"),
        ("a,b\n", "holds no row of data"),
        ("a,b\n1,2\n1,2,3,4\n", "Expected 2 fields in line 3"),
        ("a,b\n1,2,3\n", "cannot be read"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(tmp_path: Path, text: str, problem: str):
    with pytest.raises(DataError, match=problem):
        read_table(csv(tmp_path, text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path):
    file = tmp_path / "load.csv"
    file.write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_table(file)


def test_a_gzip_that_is_cut_short_is_refused(tmp_path: Path):
    file = tmp_path / "load.csv.gz"
    file.write_bytes(gzip.compress(b"a\n1\n" * 1000)[:20])
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_table(file)


def test_another_kind_of_file_is_refused_with_the_kinds_that_are_read(tmp_path: Path):
    file = tmp_path / "load.xlsx"
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"give a \.csv, \.csv\.gz or \.parquet file"):
        read_table(file)


def test_parquet_keeps_its_index_and_counts_rows_from_one(tmp_path: Path):
    file = tmp_path / "load.parquet"
    index = pd.Index(["a", "b"], name="time")
    pd.DataFrame({"load": ["1", "many"]}, index=index).to_parquet(file)
    table = read_table(file)
    assert table.columns == ["time", "load"]
    with pytest.raises(DataError, match="row 2, column 'load': 'many'"):
        table.numbers("load")


def test_a_nullable_parquet_column_gives_missing_values(tmp_path: Path):
    file = tmp_path / "load.parquet"
    pd.DataFrame({"load": pd.array([1, None], dtype="Int64")}).to_parquet(file)
    table = read_table(file)
    assert table.rows.tolist() == [1]
    assert table.numbers("load").tolist() == [1.0]


def test_a_file_that_only_has_the_name_of_parquet_is_refused(tmp_path: Path):
    file = tmp_path / "load.parquet"
    file.write_text("time,load\n")
    with pytest.raises(DataError, match="is not a Parquet file"):
        read_table(file)

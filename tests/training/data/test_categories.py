from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from service.contract.static_column import StaticColumn
from training.config import ForecastConfig
from training.data.files import DataError
from training.data.series import SeriesTable, read_series
from training.data.windows import Windows

DAYS = 20
Alter = Callable[[pd.DataFrame], object]


def write(path: Path, stores: dict[str, str], alter: Alter = lambda _frame: None, **columns: list[object]) -> Path:
    """Twenty days of each series; `columns` has a value for each of them."""
    days = pd.date_range("2026-01-01", periods=DAYS, freq="D")
    frames = []
    for place, (name, store) in enumerate(stores.items()):
        own = {column: values[place] for column, values in columns.items()}
        frames.append(pd.DataFrame({"time": days, "shop": name, "store": store, "load": np.arange(DAYS) + place, **own}))
    frame = pd.concat(frames, ignore_index=True)
    alter(frame)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def config_for(path: Path, **settings: object) -> ForecastConfig:
    given = {"name": "load", "data": str(path), "time": "time", "target": "load", "series": "shop", "horizon": 2, "context": 4}
    return ForecastConfig.model_validate({**given, "static": ("store",), **settings})


def read(path: Path, **settings: object) -> SeriesTable:
    return read_series(config_for(path, **settings), echo=lambda _: None)


def test_categories_are_sorted_and_each_series_has_its_code(tmp_path: Path):
    path = write(tmp_path / "load.csv", {"a": "south", "b": "north", "c": "south"}, region=["x", "y", "z"])

    table = read(path, static=("store", "region"))

    assert table.static == (
        StaticColumn(name="store", categories=("north", "south")),
        StaticColumn(name="region", categories=("x", "y", "z")),
    )
    assert [one.static for one in table.series] == [(2, 1), (1, 2), (2, 3)]


def test_the_column_of_the_series_may_be_a_category_of_each(tmp_path: Path):
    table = read(write(tmp_path / "load.csv", {"b": "north", "a": "north"}), static=("shop",))
    assert [(one.id, one.static) for one in table.series] == [("b", (2,)), ("a", (1,))]


def test_whole_numbers_of_parquet_are_texts(tmp_path: Path):
    table = read(write(tmp_path / "load.parquet", {"a": "north", "b": "north"}, region=[10, 9]), static=("region",))
    assert table.static == (StaticColumn(name="region", categories=("10", "9")),)


def test_without_a_text_the_category_of_a_series_is_unknown_and_rows_without_one_do_not_count(tmp_path: Path):
    def blank(frame: pd.DataFrame) -> None:
        frame.loc[frame["shop"] == "a", "store"] = ""
        frame.loc[25:30, "store"] = " "

    table = read(write(tmp_path / "load.csv", {"a": "north", "b": "south"}, blank))

    assert table.static == (StaticColumn(name="store", categories=("south",)),)
    assert [one.static for one in table.series] == [(0,), (1,)]


def test_a_category_of_series_that_are_too_short_is_none(tmp_path: Path):
    def shorten(frame: pd.DataFrame) -> None:
        frame["load"] = frame["load"].where((frame["shop"] == "a") | (frame["load"] == 1))

    table = read(write(tmp_path / "load.csv", {"a": "north", "b": "south"}, shorten))

    assert table.static == (StaticColumn(name="store", categories=("north",)),)


def two_texts(frame: pd.DataFrame) -> None:
    frame.loc[30, "store"] = "west"


def no_text(frame: pd.DataFrame) -> None:
    frame["store"] = ""


def long_text(frame: pd.DataFrame) -> None:
    frame["store"] = "n" * 201


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (two_texts, r"load\.csv row 32, column 'store' of series 'b': 'west' after 'south': a series has one text here"),
        (no_text, r"load\.csv: column 'store' has 0 categories, and 1 to 10000 are taken: take it out of --static"),
        (long_text, r"load\.csv row 2, column 'store': a text of over 200 characters: shorten it"),
    ],
)
def test_a_column_that_is_no_category_is_refused(tmp_path: Path, alter: Alter, message: str):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "load.csv", {"a": "north", "b": "south"}, alter))


def test_numbers_with_a_decimal_point_are_refused(tmp_path: Path):
    path = write(tmp_path / "load.parquet", {"a": "north", "b": "south"}, size=[0.5, 1.5])
    with pytest.raises(DataError, match="'size': numbers with a decimal point are no categories: write them as text"):
        read(path, static=("size",))


def test_too_many_categories_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("training.data.categories.MAX_CATEGORIES", 1)
    with pytest.raises(DataError, match="'store' has 2 categories, and 1 to 1 are taken: take it out of --static, or join rare ones"):
        read(write(tmp_path / "load.csv", {"a": "north", "b": "south"}))


def test_a_static_column_has_no_other_role(tmp_path: Path):
    with pytest.raises(ValidationError, match="column 'store' has two roles"):
        config_for(tmp_path, past=("store",))


def test_windows_have_the_codes_of_their_series(tmp_path: Path):
    table = read(write(tmp_path / "load.csv", {"a": "south", "b": "north"}))
    windows = Windows(table, "train", context=4, horizon=2, min_context=1, validation=0.1, test=0.1)

    batch = windows.batch(np.array([0, len(windows) - 1]))

    assert batch.static.dtype == np.int64
    assert batch.static.tolist() == [[2], [1]]


def test_the_codes_of_another_table_are_taken_over(tmp_path: Path):
    table = read(write(tmp_path / "load.csv", {"a": "south", "b": "north", "c": ""}))
    other = (StaticColumn(name="store", categories=("east", "north")),)

    recoded = table.recoded(other)

    assert recoded.static == other
    assert [one.static for one in recoded.series] == [(0,), (2,), (0,)]

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from service.__main__ import main
from service.app import create_app
from service.contract.clock import Clock
from service.contract.frequency import Frequency
from service.offline import open_model
from service.offline.bad_file import BadFile
from service.offline.chunks import chunks
from service.offline.clock import on_clock
from service.offline.journal import Journal
from service.offline.progress import Progress
from service.offline.question import Question
from service.offline.run import Summary, forecast_file
from service.offline.scoring import Scored, Scorer
from service.served_model import ServedModel
from service.settings import Settings
from service.tasks.timestamps import clock_times
from tests import artifacts
from tests.api.conftest import serving
from tests.fakes import FakeBackend
from tests.process import until

ROOT = Path(__file__).resolve().parents[2]
SLOWLY = """
import sys, time
from service.offline import run, scoring, series_file
from service.__main__ import main

run.PART_ROWS, series_file.BATCH_ROWS = 60, 40
score = scoring.Scorer.score
scoring.Scorer.score = lambda self, chunk: time.sleep(0.05) or score(self, chunk)
sys.exit(main(sys.argv[1:]))
"""
"""The command with small parts, and slow enough to be killed in the middle."""


@pytest.fixture(autouse=True)
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging and the working directory as they were."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("offline-models")
    artifacts.publish(root, "daily", artifacts.forecaster())
    hourly = artifacts.forecaster(frequency="h")
    artifacts.publish(root, "hourly", hourly)
    artifacts.publish(root, "berlin", replace(hourly, task=hourly.task.model_copy(update={"time_zone": "Europe/Berlin"})))
    artifacts.publish(root, "covariates", artifacts.forecaster(past=("wind",), future=("price",)))
    artifacts.publish(root, "classes", artifacts.classifier())
    return root


@pytest.fixture
def daily(models: Path) -> Iterator[ServedModel]:
    model = open_model(Settings(models=models), "daily")
    yield model
    model.close(20)


def rows_of(names: list[Any], *, days: int = 4, start: str = "2026-01-01") -> pa.Table:
    """`days` rows of each series; the last value of the n-th is n + 1."""
    times = np.datetime64(start) + np.arange(days)
    last = np.repeat(np.arange(len(names), dtype=np.float64) + 1, days)
    values = last - np.tile(np.arange(days)[::-1], len(names))
    return pa.table({"id": np.repeat(np.array(names), days), "ds": np.tile(times.astype("datetime64[us]"), len(names)), "load": values})


def given(**more: Any) -> dict[str, Any]:
    """Flags of the command."""
    flags = dict.fromkeys(("target", "horizon", "quantiles", "at_once"))
    return {**flags, "data": "data.parquet", "out": "out.parquet", "time": "ds", "series": "id", **more}


def ask(model: ServedModel, table: pa.Table, **more: Any) -> tuple[Summary, list[dict[str, Any]]]:
    """What the run says, and the rows that it has written."""
    pq.write_table(table, "data.parquet", row_group_size=7)
    return ask_again(model, **more)


def ask_again(model: ServedModel, **more: Any) -> tuple[Summary, list[dict[str, Any]]]:
    summary = forecast_file(model, Question.of(model, given(**more)), progress_to=io.StringIO())
    return summary, pq.read_table("out.parquet").to_pylist()


def texts(column: str, rows: list[dict[str, Any]]) -> list[str]:
    return [row[column].isoformat() for row in rows]


def test_every_step_of_every_series_is_a_row(daily: ServedModel):
    summary, rows = ask(daily, rows_of(["b", "a"]))

    assert (summary.series, summary.failed) == (2, 0)
    assert [(row["series"], row["step"], row["point"], row["q0.1"], row["q0.9"]) for row in rows] == [
        ("b", 1, 1, 0, 2),
        ("b", 2, 1, 0, 2),
        ("b", 3, 1, 0, 2),
        ("a", 1, 2, 1, 3),
        ("a", 2, 2, 1, 3),
        ("a", 3, 2, 1, 3),
    ]
    assert texts("time", rows[:2]) == ["2026-01-05T00:00:00", "2026-01-06T00:00:00"]
    assert sorted(path.name for path in Path().iterdir()) == ["data.parquet", "out.parquet"]


def test_hundreds_of_series_in_any_cut_of_rows_are_in_the_order_of_the_file(daily: ServedModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.offline.series_file.BATCH_ROWS", 33)
    monkeypatch.setattr("service.offline.run.PART_ROWS", 100)
    names = [f"s{number:03d}" for number in range(300)]

    summary, rows = ask(daily, rows_of(names), at_once=3, horizon=1)

    assert summary.series == 300
    assert [row["series"] for row in rows] == names
    assert [row["point"] for row in rows] == list(range(1, 301))


def test_chunks_are_whole_series_and_not_too_many_and_say_where_they_end():
    table = rows_of([*"abcdefg"])
    batches = [batch for start in range(0, 28, 10) for batch in table.slice(start, 10).to_batches()]

    found = list(chunks(batches, "id", most_series=2, first_row=100))

    assert ["".join(map(str, chunk.names)) for chunk in found] == ["ab", "cd", "ef", "g"]
    assert [chunk.end_row for chunk in found] == [108, 116, 124, 128]
    assert [chunk.bounds.tolist() for chunk in found] == [[0, 4, 8]] * 3 + [[0, 4]]
    assert [chunk.table.column("load")[-1].as_py() for chunk in found] == [2, 4, 6, 7]
    assert [chunk.end_row for chunk in chunks(batches, "id", most_series=1)] == [4, 8, 12, 16, 20, 24, 28]


def test_of_an_overlong_series_no_more_is_held_than_shows_that_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.offline.chunks.MAX_SERIES_ROWS", 5)
    table = pa.concat_tables([rows_of(["long"], days=40), rows_of(["a"])])
    batches = [batch for start in range(0, 44, 4) for batch in table.slice(start, 4).to_batches()]

    found = list(chunks(batches, "id", most_series=9))

    assert [(chunk.names, chunk.table.num_rows, chunk.end_row) for chunk in found] == [(["long"], 8, 40), (["a"], 4, 44)]


def test_a_horizon_and_quantiles_can_be_chosen(daily: ServedModel):
    _, rows = ask(daily, rows_of(["a"]), horizon=1, quantiles=[0.5, 0.1, 0.5])

    assert [list(row) for row in rows] == [["series", "time", "step", "point", "q0.5", "q0.1"]]


def test_names_may_be_numbers_and_a_file_may_be_one_series(daily: ServedModel):
    _, numbered = ask(daily, rows_of([20, 10]), horizon=1)
    _, single = ask(daily, rows_of(["a"]).drop(["id"]), horizon=1, series=None)

    assert [row["series"] for row in numbered] == [20, 10]
    assert [list(row) for row in single] == [["time", "step", "point", "q0.1", "q0.5", "q0.9"]]


def test_series_of_different_times_stand_beside_those_that_share_theirs(daily: ServedModel):
    shared, later, longer = rows_of(["a", "b"]), rows_of(["c"], start="2026-02-01"), rows_of(["d"], days=5)

    _, rows = ask(daily, pa.concat_tables([shared, later, longer, shared.slice(0, 4).set_column(0, "id", pa.array(["e"] * 4))]), horizon=1)

    assert [row["series"] for row in rows] == [*"abcde"]
    assert [row["time"].date().isoformat() for row in rows] == ["2026-01-05", "2026-01-05", "2026-02-05", "2026-01-06", "2026-01-05"]
    assert [row["point"] for row in rows] == [1, 2, 1, 1, 1]


def test_a_time_that_is_missing_is_no_time_of_its_neighbour(daily: ServedModel):
    days = np.datetime64("2026-01-01T00:00:00", "us") + np.arange(4) * np.timedelta64(1, "D")
    times = pa.array([*days.tolist(), *days[:3].tolist(), None], pa.timestamp("us"))

    summary, rows = ask(daily, rows_of(["a", "b"]).set_column(1, "ds", times), horizon=1)

    assert ([row["series"] for row in rows], summary.failed) == (["a"], 1)
    assert 'b,"a row has no time' in summary.errors.read_text()


@pytest.mark.parametrize("kind", [pa.float32(), pa.int16(), pa.decimal128(5, 1)])
def test_values_may_be_numbers_of_any_kind_some_of_them_missing(daily: ServedModel, kind: pa.DataType):
    values = pa.array([1, 2, None, 4, 5, 6, 7, 8], pa.float64()).cast(kind)

    _, rows = ask(daily, rows_of(["a", "b"]).set_column(2, "load", values), horizon=1)

    assert [row["point"] for row in rows] == [4, 8]


def test_csv_is_read_as_parquet_is(daily: ServedModel):
    table = rows_of(["001", "002"])
    _, expected = ask(daily, table)
    pa_csv.write_csv(table, "data.csv")

    assert ask_again(daily, data="data.csv")[1] == expected


def test_covariates_are_columns_whose_last_rows_are_the_horizon(models: Path):
    model = open_model(Settings(models=models), "covariates")

    _, rows = ask(model, covariates_of({"a": (5.0, 10.0)}))
    model.close(20)

    assert texts("time", rows) == ["2026-01-07T00:00:00", "2026-01-08T00:00:00", "2026-01-09T00:00:00"]
    assert [row["point"] for row in rows] == [15, 15, 15]


def test_a_covariate_that_is_no_column_is_named_with_the_remedy(models: Path):
    model = open_model(Settings(models=models), "covariates")

    with pytest.raises(BadFile, match="no column 'wind'; it has id, ds, load: the model needs it under this name: add it"):
        ask(model, rows_of(["a"]))
    model.close(20)


def test_times_of_a_zone_come_back_in_it(models: Path):
    hourly = open_model(Settings(models=models), "hourly")
    utc = np.datetime64("2026-03-29T00:00:00", "us") + np.arange(4) * np.timedelta64(1, "h")  # clocks go forward at the second
    zoned = pa.array(utc, pa.timestamp("us")).cast(pa.timestamp("us", "Europe/Berlin"))

    _, rows = ask(hourly, rows_of(["a"]).set_column(1, "ds", zoned), horizon=1)
    hourly.close(20)

    assert texts("time", rows) == ["2026-03-29T06:00:00+02:00"]


def test_midnight_stays_midnight_when_clocks_change(daily: ServedModel):
    utc = np.array(["2026-03-26T23:00", "2026-03-27T23:00"], "datetime64[us]")
    zoned = pa.array(utc, pa.timestamp("us")).cast(pa.timestamp("us", "Europe/Berlin"))

    _, rows = ask(daily, rows_of(["a"], days=2).set_column(1, "ds", zoned))

    assert texts("time", rows) == ["2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00"]


def test_wall_times_of_a_models_zone_leap_with_its_clocks(models: Path):
    berlin = open_model(Settings(models=models), "berlin")
    times = ["2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 03:00", "2026-03-29 04:00"]
    never = [*times[:2], "2026-03-29 02:00", *times[3:]]

    summary, rows = ask(berlin, rows_of(["a", "b"]).set_column(1, "ds", pa.array(times + never)), horizon=1)
    assert 'b,"a row has no time, or one that local clocks leapt over: correct it' in summary.errors.read_text()
    _, instants = ask(berlin, rows_of(["a"], days=2).set_column(1, "ds", pa.array(["2026-03-29T00:00+01:00", "2026-03-29T03:00+02:00"])))
    berlin.close(20)

    assert texts("time", rows) == ["2026-03-29T05:00:00"]
    assert texts("time", instants[:1]) == ["2026-03-29T02:00:00+00:00"]


@pytest.mark.parametrize("frequency", ["h", "D"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("offsets", [None, [3600] * 6, [3600, 3600, 7200] * 2, [3600] * 3 + [7200] * 3])
def test_times_of_many_series_are_put_on_a_clock_as_those_of_each(frequency: str, zone: str | None, offsets: list[int] | None):
    clock = Clock(Frequency.parse(frequency), zone)
    wall = np.array([f"2026-03-{day}T00:00" for day in (27, 28, 29)] * 2, "datetime64[s]")
    ahead = None if offsets is None else np.array(offsets)

    found = on_clock(clock, wall, ahead, np.array([0, 3, 6]))

    each = [clock_times(clock, wall[rows], None if ahead is None else ahead[rows])[0] for rows in (slice(0, 3), slice(3, 6))]
    np.testing.assert_array_equal(found, np.concatenate(each))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["2026-01-30", "2026-01-31"], "2026-02-01T00:00:00"),
        (["2026-01-30 06:30", "2026-01-31 06:30"], "2026-02-01T06:30:00"),
        (["2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z"], "2026-02-01T00:00:00+00:00"),
        (["2026-01-30T00:00:00-0630", "2026-01-31T00:00:00-06:30"], "2026-02-01T06:30:00+00:00"),
    ],
)
def test_times_may_be_texts(daily: ServedModel, written: list[str], expected: str):
    _, rows = ask(daily, rows_of(["a"], days=2).set_column(1, "ds", pa.array(written)), horizon=1)

    assert texts("time", rows) == [expected]


def test_forecasts_are_those_of_the_http_route(tmp_path: Path):
    shutil.copytree(ROOT / "models" / "energy-load", tmp_path / "models" / "energy-load")
    settings = Settings(models=tmp_path / "models", precision="fp32")
    generator = np.random.default_rng(1)
    starts = np.datetime64("2025-12-01T00", "s") + generator.integers(0, 500, 40) * np.timedelta64(3600, "s")
    lengths = generator.integers(42, 400, 40)
    series = [
        (start + np.arange(length) * np.timedelta64(3600, "s"), generator.gamma(2, 2, length))
        for start, length in zip(starts, lengths, strict=True)
    ]
    table = pa.table(
        {
            "id": np.repeat(np.arange(40), lengths),
            "start": np.concatenate([times for times, _ in series]).astype("datetime64[us]"),
            "value": np.concatenate([values for _, values in series]),
        }
    )
    model = open_model(settings, "energy-load")
    _, rows = ask(model, table, time=None)
    model.close(20)
    body = {"series": [{"start": str(times[0]), "values": values.tolist()} for times, values in series]}
    with serving(create_app(settings)) as address:
        answered = httpx.post(f"{address}/v1/models/energy-load/forecast", json=body).json()["forecasts"]

    expected = {level: np.concatenate([one["quantiles"][level] for one in answered]) for level in answered[0]["quantiles"]}
    for level, values in expected.items():
        np.testing.assert_allclose([row[f"q{level}"] for row in rows], values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose([row["point"] for row in rows], expected["0.5"], rtol=1e-6, atol=1e-6)
    assert texts("time", rows) == [time for one in answered for time in one["timestamps"]]


def test_series_without_a_forecast_stand_in_the_errors_file(models: Path, capsys: pytest.CaptureFixture[str]):
    short = rows_of(["short"], days=1)
    pq.write_table(pa.concat_tables([rows_of(["a"]), short, rows_of(["b"])]), "data.parquet")
    command = ["predict", "daily", "--models", str(models), "--data", "data.parquet", "--out", "out.parquet", "--time", "ds"]

    assert main([*command, "--series", "id"]) == 1
    assert Path("out.parquet.errors.csv").read_text() == (
        "series,reason\nshort,1 observed values in the last 6: this model needs at least 2\n"
    )
    assert capsys.readouterr().err == "carousel: 2 series forecast into out.parquet; 1 got none: out.parquet.errors.csv says why\n"
    assert pq.read_table("out.parquet").column("series").unique().to_pylist() == ["a", "b"]
    pq.write_table(rows_of(["a"]), "data.parquet")
    assert main([*command, "--series", "id"]) == 0
    assert not Path("out.parquet.errors.csv").exists()


def test_a_graph_that_fails_costs_only_the_series_it_fails_on(daily: ServedModel, caplog: pytest.LogCaptureFixture):
    summary, rows = ask(replace(daily, backend=FakeBackend()), rows_of(["a"]))

    assert rows == []
    assert summary.failed == 1
    assert Path("out.parquet.errors.csv").read_text().endswith("\na,the model failed on it: the log says why\n")
    assert "failed on a series" in caplog.text


def test_a_forecast_beyond_a_32_bit_float_is_refused(models: Path):
    model = open_model(Settings(models=models), "covariates")

    summary, rows = ask(model, covariates_of({"a": (1.0, 2.0), "b": (3e38, 3e38)}))
    model.close(20)

    assert (summary.series, summary.failed) == (2, 1)
    assert [row["point"] for row in rows] == [3, 3, 3]
    assert 'b,"the forecast is no number, or beyond the range of a 32-bit float: give values' in Path("out.parquet.errors.csv").read_text()


def test_a_run_that_was_killed_goes_on_where_it_stopped(models: Path, daily: ServedModel, monkeypatch: pytest.MonkeyPatch):
    names = [f"s{number:03d}" for number in range(300)]
    table = pa.concat_tables([rows_of(names[:250]), rows_of(["short"], days=1), rows_of(names[250:])])
    pq.write_table(table, "data.parquet", row_group_size=100)
    flags = ["--models", str(models), "--data", "data.parquet", "--out", "out.parquet", "--time", "ds", "--series", "id"]
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, "predict", "daily", *flags], cwd=Path.cwd(), env=python_path())
    journal = Path("out.parquet.parts/journal.jsonl")
    until(lambda: process.poll() is not None or (journal.exists() and journal.read_bytes().count(b"\n") > 3))
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=20) == -signal.SIGKILL
    assert not Path("out.parquet").exists()
    done = sum(json.loads(line)["series"] for line in journal.read_text().splitlines()[1:])
    with journal.open("ab") as file:
        file.write(b'{"number": 99, "ser')  # what a kill in the middle of a line leaves

    scored = counted(monkeypatch)
    summary, resumed = ask_again(daily)
    assert 0 < done < 301
    assert sum(scored) == 301 - done
    assert (summary.series, summary.failed) == (301, 1)
    assert not journal.parent.exists()

    errors = Path("out.parquet.errors.csv").read_text()
    _, whole = ask_again(daily)
    assert resumed == whole
    assert Path("out.parquet.errors.csv").read_text() == errors


def test_parts_of_another_question_are_refused_with_what_to_delete(daily: ServedModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.offline.run.PART_ROWS", 1)
    monkeypatch.setattr("service.offline.series_file.BATCH_ROWS", 4)
    with pytest.raises(BadFile, match="series 'a' comes again after another: the rows of a series must stand together: sort the file"):
        ask(daily, rows_of([*"abcdefgh", "a"]), at_once=1)

    with pytest.raises(BadFile, match=r"out\.parquet\.parts was begun with another horizon: delete it to begin again"):
        ask_again(daily, horizon=1)
    with pytest.raises(BadFile, match=r"was begun with another data and quantiles"):
        ask(daily, rows_of(["a", "b"]), quantiles=[0.5])
    shutil.rmtree("out.parquet.parts")
    assert ask_again(daily)[0].series == 2


def test_a_series_that_comes_again_is_found_after_going_on(daily: ServedModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.offline.run.PART_ROWS", 1)
    monkeypatch.setattr("service.offline.series_file.BATCH_ROWS", 4)
    pq.write_table(rows_of([*"abcdefgh", "a"]), "data.parquet", row_group_size=4)
    for _ in range(2):
        with pytest.raises(BadFile, match="series 'a' comes again"):
            ask_again(daily, at_once=1)
        assert Path("out.parquet.parts/part-00001.arrow").exists()
        assert sorted(path.name for path in Path().iterdir()) == ["data.parquet", "out.parquet.parts"]


def test_two_runs_cannot_write_one_output(daily: ServedModel):
    pq.write_table(rows_of(["a"]), "data.parquet")
    question = Question.of(daily, given())
    journal = Journal.open(question.output, question.identity(daily))

    with pytest.raises(BadFile, match=r"another process writes out\.parquet"):
        ask_again(daily)
    journal.close()
    assert ask_again(daily)[0].series == 1


@pytest.mark.parametrize(
    ("table", "more", "message"),
    [
        (rows_of(["a"]), {"time": "when"}, "data.parquet has no column 'when'; it has id, ds, load: say which ones with --time"),
        (rows_of(["a"]), {"time": "load"}, "column 'load' holds double, not times: dates, timestamps or texts in ISO 8601"),
        (rows_of(["a"]), {"series": "load"}, "column 'load' holds double, not names of series"),
        (rows_of(["a"]), {"target": "id"}, "column 'id' holds string, not numbers"),
        (rows_of(["a", ""]), {}, "column 'id': a row has no name of a series"),
        (rows_of(["a"]).set_column(0, "id", pa.array(["a", None, "b", "b"])), {}, "column 'id': a row has no name of a series"),
        (rows_of(["a"]).set_column(1, "ds", pa.array(["1 May"] * 4)), {}, "column 'ds': .*write ISO 8601, such as 2026-01-31 09:00:00"),
        (rows_of(["a"]), {"horizon": 4}, "--horizon 4: this model forecasts 1 to 3 steps"),
        (rows_of(["a"]), {"quantiles": [0.95]}, "quantile 0.95: this model answers quantiles from 0.1 to 0.9"),
        (rows_of(["a"]), {"out": "out.csv"}, "forecasts are written as Parquet: give it a name that ends in .parquet"),
        (rows_of(["a"]), {"data": "data.xlsx"}, "neither .parquet, .pq nor .csv, .csv.gz: convert it to Parquet"),
        (rows_of(["a"]), {"time": None}, "'daily' does not say which column has the times: name it with --time"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(daily: ServedModel, table: pa.Table, more: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        ask(daily, table, **more)
    assert [path.name for path in Path().iterdir()] == ["data.parquet"]


def test_a_broken_file_is_refused(daily: ServedModel):
    Path("data.parquet").write_bytes(b"PAR1 and no more")
    Path("data.csv").write_text("id,ds,load\na,2026-01-01,one\n")

    with pytest.raises(BadFile, match=r"data.parquet: .*"):
        ask_again(daily)
    with pytest.raises(BadFile, match=r"data.csv: .*one"):
        ask_again(daily, data="data.csv")


def test_an_empty_file_has_an_empty_answer(daily: ServedModel):
    summary, rows = ask(daily, rows_of(["a"]).slice(0, 0))

    assert (summary.series, rows) == (0, [])


def test_only_a_forecaster_takes_series(models: Path):
    model = open_model(Settings(models=models), "classes")

    with pytest.raises(BadFile, match="'classes' is a classify model and --data takes a forecaster: ask it with --input"):
        Question.of(model, given())
    model.close(20)


@pytest.mark.parametrize("flags", [["--data", "a.parquet"], ["--out", "b.parquet"], ["--data", "a", "--out", "b", "--input", "c"]])
def test_flags_of_the_two_ways_to_score_are_not_mixed(flags: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["predict", "daily", *flags]) == 2
    assert "--data FILE and --out FILE go together, and not with --input and --output" in capsys.readouterr().err


def test_without_pyarrow_the_extra_is_named():
    script = "import sys; sys.modules['pyarrow'] = None; from service.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "predict", "daily", "--data", "a.parquet", "--out", "b.parquet"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert run.returncode == 2
    assert run.stderr == "carousel: --data needs pyarrow: `pip install 'carousel-serve[offline]'`\n"


def test_the_other_commands_do_not_import_pyarrow():
    script = "import sys, service.__main__, service.offline, service.serving, service.app; sys.exit('pyarrow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0


def test_forecasts_of_a_file_wait_for_no_web_framework():
    script = "import sys, service.__main__, service.offline.question, service.offline.run; sys.exit('fastapi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0


def test_progress_is_a_line_on_a_terminal_and_now_and_then_one_in_a_log():
    seconds = iter([0.0, 0.1, 10.0, 40.0])

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, log = Terminal(), io.StringIO()
    shown = Progress(terminal, 1000, clock=lambda: next(seconds))
    shown.advance(10, 100)
    shown.advance(10, 250)
    shown.end()
    assert terminal.getvalue() == "\r[########......................]  25%  20 series, 2 a second, 0:00:30 left\x1b[K\r\x1b[K"

    moments = iter([0.0, 10.0, 40.0])
    told = Progress(log, None, clock=lambda: next(moments))
    told.advance(10, 100)
    told.advance(10, 200)
    told.end()
    assert log.getvalue() == "20 series, 0 a second\n"


def covariates_of(series: dict[str, tuple[float, float]]) -> pa.Table:
    """Six days of each series, its value and its price; then three days of the price alone."""
    table = rows_of(list(series), days=9)
    values = [number for value, _ in series.values() for number in (*[value] * 6, *[None] * 3)]
    wind = [number for _ in series for number in (*[0.0] * 6, *[None] * 3)]
    price = [number for _, price in series.values() for number in [price] * 9]
    return table.set_column(2, "load", pa.array(values)).append_column("wind", pa.array(wind)).append_column("price", pa.array(price))


def python_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Series of each chunk that is scored from now on."""
    found: list[int] = []
    score = Scorer.score

    def counting(self: Scorer, chunk: Any) -> Scored:
        found.append(len(chunk.names))
        return score(self, chunk)

    monkeypatch.setattr(Scorer, "score", counting)
    return found

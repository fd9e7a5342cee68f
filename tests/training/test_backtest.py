"""Backtests of an artifact whose forecasts can be done by hand: the last value, and one more and one less around it."""

import json

import numpy as np
import pytest

from service.contract import repository
from service.contract.backtest_scores import read_backtest
from service.contract.golden import Golden, dump_goldens
from service.contract.manifest import ArtifactError, Data
from tests import artifacts
from training.__main__ import main
from training.backtest.rivals import Forecasts, naive_forecasts, statistical_forecasts, statistical_models
from training.backtest.run import backtest
from training.backtest.scores import Backtest, SeriesScores, measure
from training.data.files import DataError, fingerprint
from training.pictures import Picture

STEPS = 30
CONFIG = {"name": "load", "data": "load.csv", "time": "day", "target": "load", "series": "site", "horizon": 3, "context": 6, "loss": "gone"}


def write_csv(path, *, steps=STEPS, extra=""):
    """Site a rises by one a day; site b has a shape of the week and rises by a tenth."""
    rows = ["day,site,load"]
    for step in range(steps):
        day = np.datetime64("2024-01-01") + step
        rows += [f"{day},a,{step}", f"{day},b,{10 * (step % 7) + step / 10}"]
    path.write_text("\n".join(rows) + "\n" + extra)
    return path


def publish(root, csv, tiny=None, *, config=CONFIG):
    tiny = tiny or artifacts.forecaster()

    def write(folder, version):
        (folder / repository.ONNX).write_bytes(tiny.onnx())
        (folder / repository.GOLDEN).write_text(dump_goldens([Golden(asked, tiny.run(asked)) for asked in tiny.questions]))
        plain = artifacts.manifest(tiny, "load", version, folder)
        training = plain.training.model_copy(update={"config": config})
        return plain.model_copy(update={"training": training, "data": Data(source=csv.name, sha256=fingerprint(csv), rows=2 * STEPS)})

    return repository.publish(root, "load", write=write, check=lambda _artifact: None)


@pytest.fixture
def csv(tmp_path):
    return write_csv(tmp_path / "load.csv")


@pytest.fixture
def artifact(tmp_path, csv):
    return publish(tmp_path / "models", csv)


@pytest.fixture
def run(artifact, csv, tmp_path, console, monkeypatch):
    """Backtest the artifact, without statsforecast and pictures unless they are asked for."""

    def started(*, windows, data=csv, statistical=False, drawn=False):
        if not drawn:
            for name in ("score_bars", "worst_forecasts"):
                monkeypatch.setattr(f"training.backtest.run.{name}", lambda *_arguments: Picture("undrawn", "", b""))
        settings = {"data": str(data), "windows": windows, "statistical": statistical, "out": tmp_path / "out", "json_file": None}
        return backtest(artifact, **settings, console=console)

    return started


def test_each_window_is_forecast_from_what_was_known_before_it(run):
    found = run(windows=2)
    rising, weekly = found.series
    assert (found.windows, found.absent, rising.id, rising.windows, weekly.id) == (4, 0, "a", 2, "b")
    assert rising.scores["model"] == pytest.approx(
        {
            "mae": 2,
            "rmse": np.sqrt(14 / 3),
            "smape": rising.scores["last_value"]["smape"],
            "mase": 2 / 7,
            "pinball": (0.3 + 1.0 + 0.9) / 3,
            "coverage_0.1_0.9": 1 / 3,
        },
        rel=1e-5,
    )
    assert rising.scores["seasonal_naive_7"]["mae"] == 7
    assert weekly.scores["model"]["mae"] == pytest.approx((10.1 + 20.2 + 30.3 + 10.1 + 49.8 + 39.7) / 6, rel=1e-4)
    assert (weekly.scores["seasonal_naive_7"]["mae"], weekly.scores["seasonal_naive_7"]["mase"]) == pytest.approx((0.7, 1.0), rel=1e-4)
    assert found.scores["model"]["mae"] == pytest.approx((rising.scores["model"]["mae"] + weekly.scores["model"]["mae"]) / 2)


@pytest.mark.parametrize(("windows", "learned", "chosen"), [(1, 0, 0), (2, 0, 1 / 2), (3, 1 / 3, 1 / 3), (4, 1 / 2, 1 / 4)])
def test_the_share_of_steps_that_the_model_has_seen_is_told(windows, learned, chosen, run, console):
    found = run(windows=windows)  # of 30 steps the first 24 are learned from, three more choose the best epoch
    assert (found.seen.learned, found.seen.chosen) == pytest.approx((learned, chosen))
    assert found.seen.unseen_windows == 1
    shown = console.export_text()
    assert f"{learned:.0%} were seen in training, {chosen:.0%} in validation" in shown
    assert ("looks better than it is: take --windows 1" in shown) is (windows > 1)


def test_of_a_longer_file_it_is_not_known_what_was_seen(run, tmp_path, console):
    longer = write_csv(tmp_path / "longer.csv", steps=40)
    assert run(windows=2, data=longer).seen is None
    assert "not known, longer.csv is not the file" in console.export_text()


def test_a_series_with_too_little_history_has_fewer_windows(run, tmp_path, console):
    days = (f"{np.datetime64('2024-01-25') + step},c,{step}" for step in range(6))
    found = run(windows=2, data=write_csv(tmp_path / "three.csv", extra="\n".join(days)))
    assert [(one.id, one.windows) for one in found.series] == [("a", 2), ("b", 2), ("c", 1)]
    assert found.absent == 1
    assert "left out, with too little history or nothing observed in the horizon: 1" in console.export_text()


def test_the_features_of_the_times_are_those_that_the_model_takes(csv, tmp_path, console):
    artifact = publish(tmp_path / "models", csv, artifacts.forecaster(calendar=("day_of_year",)))  # of which 30 days alone would give none
    found = backtest(artifact, data=str(csv), windows=1, statistical=False, out=tmp_path / "out", json_file=None, console=console)
    feature = np.array([27, 28, 29]) / 365 - 0.5
    assert found.series[0].scores["model"]["mae"] == pytest.approx(np.abs([1, 2, 3] - feature).mean(), rel=1e-4)


def test_a_file_too_short_for_a_window_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="too few"):
        run(windows=1, data=write_csv(tmp_path / "short.csv", steps=3))


def test_scores_and_pictures_are_written_and_the_artifact_stays_as_it_is(run, artifact, tmp_path):
    before = {path.name: path.read_bytes() for path in artifact.folder.iterdir()}
    found = run(windows=2, drawn=True)
    assert json.loads((tmp_path / "out" / "backtest.json").read_text()) == json.loads(json.dumps(found.to_json()))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["backtest.json", "backtest.png", "worst.png"]
    assert (tmp_path / "out" / "worst.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name: path.read_bytes() for path in artifact.folder.iterdir()} == before


def test_scores_are_kept_for_the_card_of_the_model(run, artifact, console):
    found = run(windows=2)
    kept = read_backtest(artifact)
    assert (kept.source, kept.sha256, kept.horizon, kept.windows, kept.absent) == ("load.csv", artifact.manifest.data.sha256, 3, 4, 0)
    assert (kept.scores, kept.failed) == (found.scores, {})
    assert (kept.seen.learned, kept.seen.chosen, kept.seen.unseen_windows) == (0, 1 / 2, 1)
    assert f"the model's card shows them, from {artifact.folder}.backtest.json" in console.export_text()


def test_a_folder_of_models_that_cannot_be_written_costs_only_the_card(run, artifact, console):
    (artifact.folder.parent / "1.backtest.json").mkdir()
    assert run(windows=1).windows == 2
    assert "the model's card does not show them: " in console.export_text()


def test_the_tables_show_rivals_and_the_worst_series_first(run, console):
    run(windows=2)
    shown = console.export_text()
    assert "load version 1: 4 windows of 2 series, 3 steps each" in shown
    assert "coverage 0.1-0.9" in shown
    assert "The worst 2 of 2 series" in shown
    worst = [line.split("│")[1].strip() for line in shown.splitlines() if "seasonal naive 7" in line or "last value" in line]
    assert worst == ["last value", "seasonal naive 7", "b", "a"]


def test_only_ten_of_many_series_are_shown_and_those_without_a_scale_come_last():
    scores = [SeriesScores(str(number), 1, {"model": {"mae": 1.0, "mase": float(number)}}) for number in range(12)]
    scores.append(SeriesScores("constant", 1, {"model": {"mae": 9.0}}))
    found = Backtest("m", 1, "x", "0" * 64, 1, 1, 13, 0, None, {}, {}, tuple(scores))
    assert [one.id for one in found.worst(10)] == ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]
    assert found.worst(13)[-1].id == "constant"


def test_without_statsforecast_its_rows_are_left_out_and_it_is_said_what_to_install(run, console, monkeypatch):
    monkeypatch.setattr("training.backtest.rivals.find_spec", lambda _name: None)
    assert set(run(windows=1, statistical=True).scores) == {"model", "last_value", "seasonal_naive_7"}
    assert "AutoTheta and AutoETS are left out: pip install -c constraints.txt '.[backtest]'" in console.export_text()


def test_autotheta_and_autoets_of_statsforecast_stand_beside_the_model(run, console):
    pytest.importorskip("statsforecast")
    found = run(windows=1, statistical=True)
    assert found.series[0].scores["auto_ets"]["mae"] < 0.1  # a straight line
    assert 0 < found.scores["auto_theta"]["pinball"] < found.scores["model"]["pinball"]
    shown = console.export_text()
    assert "AutoTheta" in shown
    assert "AutoETS" in shown


def test_statistical_models_take_the_season_in_steps():
    pytest.importorskip("statsforecast")
    week = np.tile(np.array([1, 2, 3, 4, 5, 6, 20], np.float32), 12)
    for model in statistical_models(7).values():
        found, failed = statistical_forecasts(model, [week], levels=(0.05, 0.5, 0.95), instead=np.zeros((1, 7), np.float32))
        assert failed == 0
        np.testing.assert_allclose(found.point[0], [1, 2, 3, 4, 5, 6, 20], atol=0.5)


class Named:
    """A statistical model that answers its levels, and keeps what it was asked."""

    def forecast(self, y, h, level):
        self.asked = (y, level)
        sides = {f"{side}-{width}": np.full(h, sign * width) for width in level or () for side, sign in (("lo", -1), ("hi", 1))}
        return {"mean": np.zeros(h), **sides}


def test_quantiles_are_the_ends_of_intervals():
    found, failed = statistical_forecasts(
        Named(), [np.ones(5, np.float32)], levels=(0.025, 0.1, 0.5, 0.9, 0.95), instead=np.zeros((1, 2), np.float32)
    )
    np.testing.assert_array_equal(found.quantiles, [[[-95, -80, 0, 80, 90]] * 2])
    assert failed == 0


def test_missing_values_of_a_history_are_drawn_in_straight_lines_and_the_oldest_are_left_out():
    model = Named()
    history = np.arange(1_500, dtype=np.float32)
    history[700:710] = np.nan
    statistical_forecasts(model, [history], levels=(0.5,), instead=np.zeros((1, 1), np.float32))
    values, level = model.asked
    assert level is None
    np.testing.assert_allclose(values, np.arange(500, 1_500))


class Broken:
    """A statistical model that cannot be fitted to some histories."""

    def forecast(self, y, h, level):
        if len(y) < 3:
            raise NotImplementedError("tiny datasets")
        return {"mean": np.full(h, np.nan), **{f"{side}-{width}": np.zeros(h) for width in level for side in ("lo", "hi")}}


def test_where_a_statistical_model_fails_the_naive_forecast_stands_and_it_is_counted():
    histories = [np.ones(2, np.float32), np.ones(9, np.float32)]
    seen = []
    found, failed = statistical_forecasts(
        Broken(), histories, levels=(0.1, 0.5, 0.9), instead=np.array([[4.0], [5.0]], np.float32), on_window=lambda: seen.append(1)
    )
    assert failed == 2
    assert len(seen) == 2
    np.testing.assert_array_equal(found.quantiles, [[[4, 4, 4]], [[5, 5, 5]]])


def test_naive_forecasts_of_histories_of_different_lengths():
    found = naive_forecasts([np.array([1, 2, 3], np.float32), np.array([5], np.float32)], seasons=(2,), horizon=3)
    np.testing.assert_array_equal(found["last_value"].point, [[3, 3, 3], [5, 5, 5]])
    np.testing.assert_array_equal(found["seasonal_naive_2"].point, [[2, 3, 2], [5, 5, 5]])


def test_what_has_no_quantiles_has_no_measures_of_them():
    actual = np.array([[1.0, 2.0]], np.float32)
    found = measure(Forecasts(actual + 1), actual=actual, scale=np.array([np.nan]), levels=(0.1, 0.5, 0.9))
    assert found == pytest.approx({"mae": 1, "rmse": 1, "smape": (200 / 3 + 200 / 5) / 2})


def test_the_command_backtests_the_newest_version(artifact, csv, tmp_path, capsys):
    where = ["--models", str(artifact.folder.parent.parent), "--data", str(csv), "--out", str(tmp_path / "here")]
    assert main(["backtest", "load", "--windows", "1", "--no-statistical", "--json", str(tmp_path / "scores.json"), *where]) == 0
    assert "load version 1" in capsys.readouterr().out
    assert json.loads((tmp_path / "scores.json").read_text())["windows"] == 2
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["backtest.png", "worst.png"]


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_a_number_of_windows_that_is_none_is_refused(count, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["backtest", "load", f"--windows={count}"])
    assert stopped.value.code == 2
    assert "is not a whole number of at least 1" in capsys.readouterr().err


@pytest.mark.usefixtures("artifact")
def test_ctrl_c_in_a_backtest_leaves_nothing(csv, tmp_path, capsys, monkeypatch):
    def stop(*_arguments, **_settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.backtest.run.naive_forecasts", stop)
    arguments = ["backtest", "load", "--models", str(tmp_path / "models"), "--data", str(csv), "--out", str(tmp_path / "out")]
    assert main(arguments) == 130
    assert "stopped; nothing is written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_forecaster_has_no_backtest(tmp_path, csv, console):
    config = {"name": "load", "data": "rows.csv"}
    artifact = publish(tmp_path / "models", csv, artifacts.classifier(), config=config)
    with pytest.raises(ArtifactError, match="load is a classify model: only forecasters have backtests"):
        backtest(artifact, data=None, windows=1, statistical=False, out=tmp_path / "out", json_file=None, console=console)

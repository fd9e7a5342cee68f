"""Searches on a text so small that a trial takes a fraction of a second."""

import itertools
from types import SimpleNamespace

import pytest

pytest.importorskip("optuna")

from optuna.pruners import ThresholdPruner

from service.contract.manifest import ClassifyTask, ForecastTask, NextWordTask
from service.contract.repository import locations
from training.__main__ import main
from training.config import ClassifyConfig, ConfigError, ForecastConfig, NextWordConfig, build_config, read_recipe
from training.data.files import DataError
from training.loop import TrainingError
from training.tune.recipe import recipe_text
from training.tune.run import tune
from training.tune.space import Range, search_space
from training.tune.study import completed, finished, open_study

WORDS = NextWordTask(vocabulary=9, top_k=3, end_id=0, unknown_id=1)
LOAD = ForecastTask(target="y", horizon=7, context=28, min_context=3, frequency="D", quantiles=(0.5,))
CLASSES = ClassifyTask(labels=("a", "b"), features=1)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "cats.txt"
    path.write_text("the cat sat on the mat\nthe dog ran in the park\n" * 30)
    return path


@pytest.fixture
def config(text, tmp_path):
    """Configurations of a search with two choices of width, and of batch."""

    def made(**settings):
        small = {"hidden": 3, "embedding": 2, "bptt": 5, "batch": 4, "epochs": 2, "int8": False, "allow_worse_than_naive": True}
        choices = {"hidden": [2, 3], "embedding": [2], "layers": [1], "batch": [4, 8], "cell": ["gru", "rnn"]}
        where = {"name": "cats", "data": str(text), "models": tmp_path / "models", "runs": tmp_path / "runs"}
        return NextWordConfig(**(where | small | {"tune": choices} | settings))

    return made


def search(config, console, *, trials, publish=False, timeout_s=None):
    return tune(config, trials=trials, timeout_s=timeout_s, publish=publish, console=console)


def drawn(config, console, monkeypatch):
    """What the trials of a search drew and reached, read from its file."""
    found = []
    with monkeypatch.context() as patched:
        patched.setattr("training.tune.run.run_trials", lambda study, *_positional, **_named: found.extend(finished(study)))
        search(config, console, trials=1)
    return [(trial.params, trial.value) for trial in found]


def test_the_best_of_a_search_is_a_recipe_and_a_published_model(config, console, tmp_path):
    artifact = search(config(), console, trials=3, publish=True)
    assert artifact.manifest.name == "cats"
    best = read_recipe(tmp_path / "runs" / "cats" / "best.toml")
    assert best["task"] == "next-word"
    used = artifact.manifest.training.config
    assert {name: used[name] for name in ("hidden", "batch", "cell", "learning_rate", "dropout")} == {
        name: best[name] for name in ("hidden", "batch", "cell", "learning_rate", "dropout")
    }
    shown = console.export_text()
    assert "cats: the best of 3 trials" in shown
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("trial ")] == [
        ["trial", "1"],
        ["trial", "2"],
        ["trial", "3"],
    ]
    assert "best so far" in shown
    assert (tmp_path / "runs" / "cats" / "tune.db").exists()  # what the run cleans up is its checkpoints alone
    assert list((tmp_path / "runs").rglob("*.pt")) == []


def test_the_recipe_of_the_best_trains_what_was_searched_for(config, console, tmp_path, capsys):
    search(config(), console, trials=2)
    assert list(locations(tmp_path / "models")) == []
    assert main(["recipe", str(tmp_path / "runs" / "cats" / "best.toml"), "--models", str(tmp_path / "models")]) == 0
    assert "published cats version 1" in capsys.readouterr().out


def test_a_search_that_was_stopped_goes_on_and_ends_like_one_that_was_not(config, console, tmp_path, monkeypatch):
    whole = config(runs=tmp_path / "whole", learning_rate=0.01)
    search(whole, console, trials=7)
    calls = itertools.count(1)

    def stop(_display, _epoch):
        if next(calls) == 7:  # in the fourth trial
            raise KeyboardInterrupt

    halves = config(runs=tmp_path / "halves", learning_rate=0.01)
    with monkeypatch.context() as interrupted:
        interrupted.setattr("training.tune.display.TuneDisplay.on_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            search(halves, console, trials=7)
    assert len(drawn(halves, console, monkeypatch)) == 3
    assert (tmp_path / "halves" / "cats" / "best.toml").exists()
    search(halves, console, trials=7)
    assert drawn(halves, console, monkeypatch) == drawn(whole, console, monkeypatch)
    assert (tmp_path / "halves" / "cats" / "importance.png").read_bytes().startswith(b"\x89PNG")
    assert "what mattered: " in console.export_text()


def test_the_first_trial_has_the_values_of_the_recipe_and_the_choices_given_fix_the_rest(config, console, monkeypatch):
    asked = config(learning_rate=0.0123, dropout=0.25, tune={"hidden": [2], "embedding": [2], "layers": [1]}, batch=4)
    search(asked, console, trials=1)
    [(values, _)] = drawn(asked, console, monkeypatch)
    assert values == {"cell": "lstm", "learning_rate": 0.0123, "batch": 4, "dropout": 0.25, "hidden": 2, "embedding": 2, "layers": 1}


def test_another_configuration_is_no_part_of_a_search(config, console):
    search(config(), console, trials=1)
    with pytest.raises(ConfigError, match="is a search of another configuration, space or data"):
        search(config(epochs=3), console, trials=2)
    with pytest.raises(ConfigError, match="is a search of another configuration, space or data"):
        search(config(tune={"hidden": [2]}), console, trials=2)


def test_trials_that_lead_nowhere_are_given_up(config, console, tmp_path, monkeypatch):
    monkeypatch.setattr("training.tune.study.MedianPruner", lambda **_settings: ThresholdPruner(upper=0.0))
    with pytest.raises(TrainingError, match="no trial came to its end: given up after epoch 1"):
        search(config(), console, trials=2)
    assert console.export_text().count("given up after epoch 1  cell") == 2
    assert sorted(path.name for path in (tmp_path / "runs").rglob("*")) == ["cats", "tune.db"]


def test_a_trial_that_cannot_be_trained_is_given_up_and_the_search_goes_on(config, console, monkeypatch):
    from training.loop import fit

    calls = itertools.count(1)

    def sometimes(*arguments, **settings):
        if next(calls) == 2:
            raise TrainingError("the loss is no longer a number")
        return fit(*arguments, **settings)

    monkeypatch.setattr("training.tune.study.fit", sometimes)
    search(config(), console, trials=3)
    shown = console.export_text()
    assert "trial   2  the loss is no longer a number" in shown
    assert "the best of 3 trials, 1 of which were given up" in shown


def test_a_loss_that_is_no_number_is_given_up(config, console, monkeypatch):
    monkeypatch.setattr("training.learners.next_word.NextWordLearner.validation_loss", lambda *_arguments: float("nan"))
    with pytest.raises(TrainingError, match="the validation loss is no longer a number in epoch 1"):
        search(config(), console, trials=1)


def test_time_that_runs_out_ends_the_search_within_a_trial(config, console, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("training.tune.study.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr("training.tune.run.time", SimpleNamespace(monotonic=lambda: 0.0))
    with pytest.raises(TrainingError, match="give more time with --timeout"):
        search(config(epochs=50, patience=0), console, trials=2, timeout_s=3.0)


def test_a_search_that_ran_out_of_time_says_how_far_it_came(config, console, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("training.tune.study.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr("training.tune.run.time", SimpleNamespace(monotonic=lambda: 0.0))

    search(config(epochs=1), console, trials=5, timeout_s=2.0)

    shown = console.export_text()
    assert "time ran out after 2 of 5 trials: the same command goes on" in shown
    assert "what mattered is told from 6 whole fits on: there are 2" in shown


def test_data_that_cannot_be_learned_from_are_no_trial(config, console, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        search(config(data=str(tmp_path / "no.txt")), console, trials=1)
    assert not (tmp_path / "runs").exists()


def test_a_grid_and_a_search_are_not_one(config, console):
    with pytest.raises(ConfigError, match="give one of the two"):
        search(config(grid={"hidden": [2]}), console, trials=1)


def test_a_process_that_was_killed_leaves_no_trial_behind(config, tmp_path):
    asked = config()
    space = {"hidden": (2, 3)}
    with open_study(tmp_path, asked, space, "0") as study:
        study.tell(study.ask(), 1.0)
        study.ask()
    with open_study(tmp_path, asked, space, "0") as study:
        assert [trial.value for trial in finished(study)] == [1.0]
        assert [trial.value for trial in completed(study)] == [1.0]
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]


def test_a_space_holds_the_recipe_and_contexts_around_its_own():
    config = ForecastConfig(name="y", data="y.csv", time="t", target="y", horizon=7, hidden=48, learning_rate=0.1, cell="rnn")
    space = search_space(config, LOAD)
    assert space["hidden"] == (32, 64, 128, 256, 48)
    assert space["learning_rate"] == Range(3e-4, 0.1, log=True)
    assert space["context"] == (14, 28, 56)
    assert space["cell"] == ("lstm", "gru", "rnn")


def test_every_task_has_a_space():
    assert set(search_space(NextWordConfig(name="x", data="x"), WORDS)) >= {"embedding", "hidden", "dropout"}
    assert search_space(ClassifyConfig(name="x", data="x"), CLASSES)["layers"] == (1, 2, 3)


def test_choices_are_read_as_the_setting_takes_them():
    config = NextWordConfig(name="x", data="x", tune={"hidden": ["16", "32"], "dropout": [0], "ema": ["0.9"]})
    space = search_space(config, WORDS)
    assert (space["hidden"], space["dropout"], space["ema"]) == ((16, 32), (0.0,), (0.9,))


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"depth": [1]}, "'depth' is not a setting"),
        ({"horizon": [1, 2]}, "'horizon' changes what is learned or measured"),
        ({"epochs": [1, 2]}, "'epochs' changes what is learned or measured"),
        ({"hidden": []}, "'hidden' has no value to try"),
        ({"hidden": [0]}, "--hidden: Input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_searched_is_refused(choices, said):
    config = ForecastConfig(name="y", data="y.csv", time="t", target="y", horizon=7, tune=choices)
    with pytest.raises(ConfigError, match=said):
        search_space(config, LOAD)


def test_a_recipe_reads_back_as_the_configuration_it_was_written_from(tmp_path):
    config = ForecastConfig(
        name="y",
        data="package:shop/y.csv",
        time='the "time"',
        target="yé\x7f\\",
        only={"a b": ("x", "y")},
        past=("p",),
        horizon=7,
        calendar=False,
        learning_rate=1e-5,
        tune={"hidden": [2]},
    )
    path = tmp_path / "y.toml"
    path.write_text(recipe_text(config, heading="A heading.", found=["hidden", "context"]), encoding="utf-8")
    assert build_config(ForecastConfig, read_recipe(path)) == config.model_copy(update={"tune": {}})
    assert path.read_text(encoding="utf-8").startswith('# A heading.\ntask = "forecast"\nname = "y"\n')


def test_files_are_named_wherever_the_recipe_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.toml").write_text(recipe_text(NextWordConfig(name="x", data="x.txt"), heading="", found=[]))
    assert read_recipe(tmp_path / "deep" / "x.toml")["data"] == str(tmp_path / "x.txt")


def test_the_command_searches_without_publishing(text, tmp_path, capsys):
    small = ["--tune", "hidden=2,3", "embedding=2", "layers=1", "batch=4", "--epochs", "1", "--bptt", "5"]
    where = ["--data", str(text), "--runs", str(tmp_path / "runs"), "--models", str(tmp_path / "models")]
    assert main(["tune", "next-word", "--trials", "1", "--timeout", "600", "--no-publish", *small, *where]) == 0
    shown = capsys.readouterr().out
    assert "the best of 1 trials" in shown
    assert "best.toml" in shown
    assert not (tmp_path / "models").exists()


def test_without_optuna_the_command_says_what_to_install(text, capsys, monkeypatch):
    monkeypatch.setattr("training.command.find_spec", lambda _name: None)
    assert main(["tune", "next-word", "--data", str(text)]) == 1
    assert "tune needs Optuna: pip install -c constraints.txt '.[tune]'" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan"])
def test_a_time_that_is_none_is_refused(seconds, capsys):
    with pytest.raises(SystemExit):
        main(["tune", "next-word", f"--timeout={seconds}"])
    assert "is not a number of seconds above 0" in capsys.readouterr().err


def test_ctrl_c_says_that_the_search_goes_on(text, tmp_path, capsys, monkeypatch):
    def stop(_display, _epoch):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.tune.display.TuneDisplay.on_epoch", stop)
    arguments = ["tune", "next-word", "--data", str(text), "--runs", str(tmp_path / "runs"), "--tune", "hidden=2", "embedding=2"]
    assert main(arguments) == 130
    assert "the same command goes on after the last trial that ended" in capsys.readouterr().err

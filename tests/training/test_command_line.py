"""carousel-train as it is typed."""

import subprocess
import sys

import pytest

from training.__main__ import main

SENTENCES = ["forecast", "next-word", "classify"]


def train(*arguments):
    return main([str(argument) for argument in arguments])


def test_flags_override_the_recipe(daily_csv, tmp_path, capsys):
    recipe = tmp_path / "shops.toml"
    columns = f'data = "{daily_csv.name}"\ntime = "day"\ntarget = "sales"\nseries = "shop"\n'
    recipe.write_text(f'task = "forecast"\nname = "shops"\n{columns}horizon = 3\nhidden = 4\nepochs = 1\n')
    common = ("--models", tmp_path / "models", "--runs", tmp_path / "runs", "--allow-worse-than-naive")
    code = train(
        "forecast",
        "--recipe",
        recipe,
        "--horizon",
        2,
        "--context",
        14,
        "--quantiles",
        "0.2,0.8",
        "--past",
        "visitors",
        "--no-calendar",
        *common,
    )
    assert code == 0
    assert "published shops version 1" in capsys.readouterr().out
    assert train("inspect", "shops", "--models", tmp_path / "models") == 0
    shown = capsys.readouterr().out
    assert "0.2, 0.5, 0.8" in shown
    assert "visitors" in shown
    assert "4 gates: input, forget, cell, output" in shown
    assert "total" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("forecast", "--data", "x.csv", "--time", "t", "--target", "y"), "--horizon is needed: Steps to forecast."),
        (
            ("forecast", "--data", "x.csv", "--time", "t", "--target", "y", "--horizon", "0"),
            "--horizon: Input should be greater than or equal to 1",
        ),
        (("forecast", "--data", "x.csv", "--time", "t", "--target", "t", "--horizon", "1"), "column 't' has two roles"),
        (("forecast", "--data", "no.csv", "--time", "t", "--target", "y", "--horizon", "1"), "no.csv does not exist"),
        (
            ("forecast", "--data", "x.csv", "--time", "t", "--target", "y", "--horizon", "1", "--quantiles", "7"),
            "quantiles lie between 0 and 1",
        ),
        (("next-word", "--data", "no.txt", "--name", "Bad Name"), "--name: String should match pattern"),
        (("next-word", "--data", "no.txt", "--grid", "cell"), "write NAME=A,B"),
        (("next-word", "--recipe", "no.toml"), "recipe no.toml cannot be read: No such file or directory"),
        (("inspect", "nothing@2"), "no model 'nothing@2' in models; there: none"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(*arguments) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"', "needs a line: task ="),
        ("task = 3", "needs a line: task ="),
        ("task = ", "is not TOML"),
        ('task = "classify"\ndata = "x"\nwheels = 4', "'wheels' is not a setting of classify"),
    ],
)
def test_a_recipe_that_is_no_recipe_is_refused(text, said, tmp_path, capsys):
    recipe = tmp_path / "r.toml"
    recipe.write_text(text)
    assert train("recipe", recipe) == 1
    assert said in capsys.readouterr().err


def test_a_recipe_of_another_task_names_the_right_command(tmp_path, capsys):
    recipe = tmp_path / "r.toml"
    recipe.write_text('task = "classify"\ndata = "x"')
    assert train("forecast", "--recipe", recipe) == 1
    assert "run `carousel-train classify --recipe" in capsys.readouterr().err


@pytest.mark.parametrize("command", SENTENCES)
def test_help_documents_every_flag(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        train(command, "--help")
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for flag in ("--recipe", "--resume", "--cell", "--seed", "--models", "--allow-worse-than-naive"):
        assert flag in shown


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path, capsys):
    text = tmp_path / "t.txt"
    text.write_text("a b c\n" * 20)
    (tmp_path / "models").write_text("a file")
    fast = (
        "--epochs",
        1,
        "--hidden",
        2,
        "--embedding",
        2,
        "--bptt",
        2,
        "--batch",
        2,
        "--allow-worse-than-naive",
        "--runs",
        tmp_path / "runs",
    )
    assert train("next-word", "--data", text, "--models", tmp_path / "models", *fast) == 1
    assert "models" in capsys.readouterr().err


def test_ctrl_c_keeps_a_checkpoint_and_resume_goes_on_from_it(tmp_path, capsys, monkeypatch):
    text = tmp_path / "t.txt"
    text.write_text("the cat sat on the mat\nthe dog ran in the park\n" * 50)
    arguments = ["next-word", "--data", text, "--name", "cats", "--epochs", 4, "--hidden", 4, "--embedding", 4, "--bptt", 5, "--batch", 4]
    arguments += ["--patience", 0, "--allow-worse-than-naive", "--models", tmp_path / "models", "--runs", tmp_path / "runs"]
    monkeypatch.setattr("training.run.SAVE_EVERY_S", 0.0)

    def stop(_display, epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr("training.terminal.FitDisplay.on_epoch", stop)
        assert train(*arguments) == 130
    assert "--resume goes on" in capsys.readouterr().err
    assert (tmp_path / "runs" / "cats" / "0.pt").exists()
    assert train(*arguments, "--resume") == 0
    shown = capsys.readouterr().out
    assert "epoch   3" in shown
    assert "epoch   1" not in shown
    assert not (tmp_path / "runs" / "cats" / "0.pt").exists()


def test_the_command_is_installed():
    assert subprocess.run([sys.executable, "-m", "training", "--help"], capture_output=True, text=True).returncode == 0


def test_without_the_training_extra_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("training.__main__.find_spec", lambda name: None if name in ("torch", "rich") else object())
    assert train("inspect", "x") == 1
    assert capsys.readouterr().err == "carousel-train: torch, rich is not installed: pip install -c constraints.txt '.[training]'\n"

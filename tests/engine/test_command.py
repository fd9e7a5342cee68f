from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service import serving
from service.__main__ import main
from service.settings import Settings


@pytest.fixture(autouse=True)
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging, signal handlers and the working directory as they were."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for number, handler in signals.items():
        signal.signal(number, handler)


def test_models_are_listed_with_what_they_are(tiny_models: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models", "--models", str(tiny_models)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", lines[0]) == ["NAME", "VERSION", "TASK", "SIZE", "PRECISION", "SCORE", "STATUS"]
    assert re.split(r"  +", lines[1]) == ["tiny-classes", "1", "classify", "0.0 MB", "fp32", "mae 1.5 (last value 2)", "verified"]
    assert [line.split()[0] for line in lines[1:]] == ["tiny-classes", "tiny-classes", "tiny-forecast", "tiny-words"]


def test_a_refused_model_is_listed_with_the_reason_and_exit_code_1(tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = shutil.copytree(tiny_models, tmp_path / "models")
    (root / "tiny-words" / "1" / "model.onnx").write_bytes(b"other")

    assert main(["models", "--models", str(root), "--json"]) == 1

    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["version"], row["status"]) for row in rows] == [
        ("tiny-classes", 1, "verified"),
        ("tiny-classes", 2, "verified"),
        ("tiny-forecast", 1, "verified"),
        ("tiny-words", 1, "refused"),
    ]
    assert rows[-1]["reason"] == "model.onnx was changed: its sha256 is not the one in manifest.json; publish it again"
    assert rows[0]["scores"]["model"] == {"mae": 1.5}
    assert main(["models", "--models", str(root)]) == 1
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .endswith("refused: model.onnx was changed: its sha256 is not the one in manifest.json; publish it again")
    )


def test_an_empty_folder_is_listed_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models", "--models", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no models\n"


def test_a_file_is_scored(tiny_models: Path, tmp_path: Path):
    (tmp_path / "in.jsonl").write_text("[[0, 1, 0]]\n[[1, 0, 0]]\n")

    code = main(["predict", "tiny-classes@1", "--models", str(tiny_models), "--input", "in.jsonl", "--output", "out.jsonl"])

    assert code == 0
    assert [json.loads(line)["label"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["one", "zero"]


def test_lines_without_answer_are_counted_and_exit_code_1(tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "in.jsonl").write_text("[[0, 1, 0]]\n[]\n{}\n")

    assert main(["predict", "tiny-classes", "--models", str(tiny_models), "--input", "in.jsonl", "--output", "out.jsonl"]) == 1

    assert "carousel: 2 lines got no answer; their errors stand in the output" in capsys.readouterr().err
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


def test_a_horizon_and_levels_are_asked_of_every_line(tiny_models: Path, tmp_path: Path):
    (tmp_path / "in.jsonl").write_text('{"values": [1, 2]}\n{"values": [3, 4]}\n')
    flags = ["--models", str(tiny_models), "--input", "in.jsonl", "--output", "out.jsonl", "--horizon", "2", "--quantiles", "0.1", "0.5"]

    assert main(["predict", "tiny-forecast", *flags]) == 0

    first, second = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["quantiles"] == {"0.1": [1, 1], "0.5": [2, 2]}
    assert second["quantiles"] == {"0.1": [3, 3], "0.5": [4, 4]}


@pytest.mark.parametrize(
    ("model", "flags", "message"),
    [
        ("tiny-forecast", ["--time", "hour"], "--time cannot be used with --input: add --data FILE and --out FILE, or leave the flag out"),
        ("tiny-forecast", ["--series", "meter", "--target", "kwh"], "--series and --target cannot be used with --input"),
        ("tiny-forecast", ["--workers", "2"], "--workers cannot be used with --input"),
        ("tiny-forecast", ["--horizon", "4"], "--horizon 4: this model forecasts 1 to 3 steps"),
        ("tiny-forecast", ["--horizon", "0"], "--horizon 0: this model forecasts 1 to 3 steps"),
        ("tiny-forecast", ["--quantiles", "0.95"], "quantile 0.95: this model answers quantiles from 0.1 to 0.9"),
        ("tiny-classes", ["--horizon", "2"], "--horizon: 'tiny-classes' is a classify model and forecasts nothing: leave the flag out"),
    ],
)
def test_flags_that_lines_cannot_follow_are_refused(
    tiny_models: Path, tmp_path: Path, model: str, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "in.jsonl").write_text("{}\n")

    assert main(["predict", model, "--models", str(tiny_models), "--input", "in.jsonl", "--output", "out.jsonl", *flags]) == 2

    assert capsys.readouterr().err.startswith(f"carousel: {message}")
    assert not (tmp_path / "out.jsonl").exists()


def test_standard_input_is_scored_to_standard_output(tiny_models: Path):
    run = subprocess.run(
        [sys.executable, "-m", "service", "predict", "tiny-words", "--models", str(tiny_models)],
        input='"the cat "\n',
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(serving.__file__).parents[1],
    )

    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["suggestions"][0]["word"] == "dog"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--models", "none"], "no model folder none: create it"),
        (["serve", "--models", "none", "--workers", "2"], "no model folder none: create it"),
        (["models", "--models", "none"], "no model folder none: create it"),
        (["predict", "none", "--models", "none"], "no model 'none'; no model is served here"),
        (
            ["serve", "--port", "70000"],
            "port is '70000': Input should be less than or equal to 65535 (set by --port, CAROUSEL_PORT or carousel.toml)",
        ),
    ],
)
def test_what_cannot_start_says_why_and_exits_with_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"carousel: {message}")


def test_cuda_that_is_not_there_exits_with_2(tiny_models: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["serve", "--models", str(tiny_models), "--device", "cuda"]) == 2
    assert "carousel: --device cuda, but " in capsys.readouterr().err


def test_an_unknown_name_in_the_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "carousel.toml").write_text("prot = 8000")

    assert main(["models"]) == 2
    assert "carousel.toml: unknown setting 'prot'; those that there are: models, host, port" in capsys.readouterr().err


def test_a_file_that_is_no_toml_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "carousel.toml").write_text("port = ")

    assert main(["models"]) == 2
    assert "carousel: carousel.toml is not TOML: Invalid value" in capsys.readouterr().err


def test_an_input_that_is_not_there_is_said(tiny_models: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["predict", "tiny-words", "--models", str(tiny_models), "--input", "none.jsonl"]) == 2
    assert "No such file or directory: 'none.jsonl'" in capsys.readouterr().err


def test_every_setting_is_a_flag_of_serve(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["serve", "--help"])

    text = capsys.readouterr().out
    assert end.value.code == 0
    assert all("--" + name.replace("_", "-") in text for name in Settings.model_fields)
    assert "--no-access-log" in text


def test_a_server_runs_until_it_is_told_to_stop(tiny_models: Path):
    output = io.StringIO()
    answers: list[int] = []

    def ask_then_stop() -> None:
        while (found := re.search(r"answers on (\S+);", output.getvalue())) is None:
            threading.Event().wait(0.01)
        answers.append(httpx.get(f"{found[1]}/v2/health/ready", timeout=20).status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    asker = threading.Thread(target=ask_then_stop, daemon=True)
    asker.start()
    with contextlib.redirect_stdout(output):
        code = main(["serve", "--models", str(tiny_models), "--port", "0", "--log-level", "error"])
    asker.join(20)

    assert code == 0
    assert answers == [200]


def test_a_worker_takes_its_settings_from_the_environment(tiny_models: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in Settings(models=tiny_models, port=1234).environment().items():
        monkeypatch.setenv(name, value)

    assert serving.worker_app().context.settings.port == 1234


def test_an_address_of_ipv6_is_written_in_brackets(capsys: pytest.CaptureFixture[str]):
    with socket.socket(socket.AF_INET6) as listening:
        listening.bind(("::1", 0))
        serving._say_where(listening)
        port = listening.getsockname()[1]

    assert f"answers on http://[::1]:{port}; try it at http://[::1]:{port}/docs" in capsys.readouterr().out

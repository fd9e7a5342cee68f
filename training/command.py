"""`carousel-train forecast | next-word | classify | recipe | tune | backtest | quantize | inspect`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import get_args, get_origin

from pydantic.fields import FieldInfo
from rich.console import Console

from service.contract.manifest import ArtifactError
from training.backtest.run import backtest
from training.config import CONFIGS, ConfigError, RunConfig, build_config, read_recipe
from training.data.files import DataError
from training.inspect import find_artifact, show
from training.loop import TrainingError
from training.republish import republish_in_int8
from training.run import WorseThanNaiveError, run
from training.terminal import published_line

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
STOPPED = {
    "tune": "stopped; the same command goes on after the last trial that ended",
    "backtest": "stopped; nothing is written",
    "quantize": "stopped; nothing is published",
    "inspect": "stopped",
}
"""What is said then; of a run that its checkpoint is kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0 done, 1 refused with the reason on standard error, 2 wrong usage, 130 stopped by Ctrl-C."""
    options = _parser().parse_args(arguments)
    console, errors = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    try:
        _run(options, console)
    except (ConfigError, DataError, TrainingError, ArtifactError, WorseThanNaiveError) as error:
        errors.print(f"carousel-train: {error}", markup=False, highlight=False, style="red")
        return 1
    except KeyboardInterrupt:
        errors.print(STOPPED.get(options.command, "stopped; the same command with --resume goes on from the last checkpoint"))
        return INTERRUPTED
    except OSError as error:
        errors.print(f"carousel-train: {error.filename or 'writing'}: {error.strerror}", markup=False, style="red")
        return 1
    return 0


def _run(options: argparse.Namespace, console: Console) -> None:
    match options.command:
        case "inspect":
            show(find_artifact(options.models, options.model).manifest, console)
        case "quantize":
            before = find_artifact(options.models, options.model)
            republished = republish_in_int8(before, models=options.models, data=options.data, console=console)
            console.print(published_line(republished))
        case "backtest":
            artifact = find_artifact(options.models, options.model)
            out = options.out or Path("runs", artifact.manifest.name, f"backtest-{artifact.manifest.version}")
            backtest(
                artifact,
                data=options.data,
                windows=options.windows,
                statistical=options.statistical,
                out=out,
                json_file=options.json,
                console=console,
            )
        case "tune":
            if find_spec("optuna") is None:
                raise ConfigError("tune needs Optuna: pip install -c constraints.txt '.[tune]'")
            from training.tune.run import tune

            tune(_config(options), trials=options.trials, timeout_s=options.timeout, publish=options.publish, console=console)
        case _:
            run(_config(options), resume=options.resume, console=console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="carousel-train", description="Train a small recurrent model and publish it.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, kind in CONFIGS.items():
        command = commands.add_parser(name, help=kind.__doc__, description=kind.__doc__)
        command.add_argument("--resume", action="store_true", help="go on from the checkpoint of a run that was stopped")
        _add_settings(command, kind)
    any_recipe = commands.add_parser("recipe", help="Run a recipe of any task.", description="Run a recipe of any task.")
    any_recipe.add_argument("recipe", type=Path, help="TOML file of settings")
    any_recipe.add_argument("--resume", action="store_true", help="go on from the checkpoint of a run that was stopped")
    for field in ("data", "models", "runs"):
        _add_flag(any_recipe, field, RunConfig.model_fields[field])
    explanation = "Search for the settings with the least validation loss, and publish the best; the same command goes on with a search."
    searches = commands.add_parser("tune", help="Search for good settings.", description=explanation).add_subparsers(
        dest="task", required=True
    )
    for name, kind in CONFIGS.items():
        search = searches.add_parser(name, help=kind.__doc__, description=explanation)
        search.add_argument("--trials", type=_count, default=20, help="trials in all, those of a search gone on with too (default: 20)")
        search.add_argument("--timeout", type=_seconds, metavar="S", help="seconds after which the search ends (default: none)")
        search.add_argument("--publish", action=argparse.BooleanOptionalAction, default=True, help="train the best in full and publish it")
        _add_settings(search, kind)
    _add_model_commands(commands)
    return parser


def _add_model_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Those about a published model."""
    inspect = _model_command(commands, "inspect", "Show a published model", "Show a published model: task, signature, scores, weights.")
    explanation = "Publish the next version of a model, the same network with a graph in int8 beside the one in fp32."
    quantize = _model_command(commands, "quantize", "Add a graph in int8 to a published model", explanation)
    explanation = (
        "Forecast the end of a file from rolling origins, one horizon apart, and hold that against naive and statistical forecasts."
    )
    against = _model_command(commands, "backtest", "Hold a published forecaster against others", explanation)
    for command in (quantize, against):
        command.add_argument("--data", help="where the data lie that it was trained on (default: where they lay then)")
    against.add_argument("--windows", type=_count, default=3, help="origins of each series (default: 3)")
    against.add_argument(
        "--statistical",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="AutoTheta and AutoETS among the others; they take about a second for each window",
    )
    against.add_argument("--out", type=Path, metavar="DIR", help="folder of scores and pictures (default: runs/NAME/backtest-VERSION)")
    against.add_argument("--json", type=Path, metavar="FILE", help="where the scores go instead (default: backtest.json in --out)")
    for command in (inspect, quantize, against):
        command.add_argument("--models", type=Path, default=Path("models"), help="folder of the models (default: models)")


def _model_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, brief: str, explanation: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=f"{brief}.", description=explanation)
    command.add_argument("model", metavar="NAME[@VERSION]")
    return command


def _add_settings(command: argparse.ArgumentParser, kind: type[RunConfig]) -> None:
    """Every setting of a task as a flag, and the recipe that they override."""
    command.add_argument("--recipe", type=Path, help="TOML file of settings; flags override it")
    for field, info in kind.model_fields.items():
        if field != "task":
            _add_flag(command, field, info)


def _add_flag(command: argparse.ArgumentParser, field: str, info: FieldInfo) -> None:
    flag = f"--{field.replace('_', '-')}"
    default = (
        ""
        if info.is_required() or info.get_default(call_default_factory=True) in (None, "", (), {})
        else f" (default: {_shown(info.default)})"
    )
    text = f"{info.description}{default}".replace("%", "%%")
    origin = get_origin(info.annotation)
    if info.annotation is bool:
        command.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
    elif origin is tuple:
        command.add_argument(flag, nargs="+", metavar="X", help=text)
    elif origin is dict:
        command.add_argument(flag, nargs="+", metavar="NAME=A,B", help=text)
    else:
        choices = get_args(info.annotation) if all(isinstance(choice, str) for choice in get_args(info.annotation)) else None
        command.add_argument(flag, choices=choices or None, metavar=None if choices else field.upper(), help=text)


def _shown(default: object) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _config(options: argparse.Namespace) -> RunConfig:
    settings = read_recipe(options.recipe) if options.recipe else {}
    task = settings.pop("task", None)
    command = task if options.command == "recipe" else getattr(options, "task", options.command)
    if command not in CONFIGS:
        raise ConfigError(f"recipe {options.recipe} needs a line: task = {' | '.join(map(repr, CONFIGS))}")
    if task not in (None, command):
        raise ConfigError(f"recipe {options.recipe} is of task {task!r}: run `carousel-train {task} --recipe {options.recipe}`")
    kind = CONFIGS[command]
    for field, info in kind.model_fields.items():
        value = getattr(options, field, None)
        if value is not None:
            settings[field] = _parsed(value, info)
    settings.setdefault("name", Path(settings["data"]).name.partition(".")[0].lower() if "data" in settings else None)
    return build_config(kind, {name: value for name, value in settings.items() if value is not None})


def _parsed(value: str | list[str] | bool, info: FieldInfo) -> object:
    """A flag's text as the configuration takes it: lists may be separated by spaces or commas, tables are written NAME=A,B."""
    if not isinstance(value, list):
        return value
    if get_origin(info.annotation) is tuple:
        return tuple(part for item in value for part in item.split(",") if part)
    pairs = [item.partition("=") for item in value]
    if any(not sign for _, sign, _ in pairs):
        raise ConfigError(f"{' '.join(value)!r}: write NAME=A,B")
    return {name: tuple(items.split(",")) for name, _, items in pairs}


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds

"""`carousel-train forecast | next-word | classify | recipe | quantize | inspect`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args, get_origin

from pydantic.fields import FieldInfo
from rich.console import Console

from service.contract.manifest import ArtifactError
from training.config import CONFIGS, ConfigError, RunConfig, build_config, read_recipe
from training.data.files import DataError
from training.inspect import find_artifact, show
from training.loop import TrainingError
from training.republish import republish_in_int8
from training.run import WorseThanNaiveError, run
from training.terminal import published_line

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0 done, 1 refused with the reason on standard error, 2 wrong usage, 130 stopped by Ctrl-C."""
    options = _parser().parse_args(arguments)
    console, errors = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    try:
        match options.command:
            case "inspect":
                show(find_artifact(options.models, options.model).manifest, console)
            case "quantize":
                before = find_artifact(options.models, options.model)
                republished = republish_in_int8(before, models=options.models, data=options.data, console=console)
                console.print(published_line(republished))
            case _:
                run(_config(options), resume=options.resume, console=console)
    except (ConfigError, DataError, TrainingError, ArtifactError, WorseThanNaiveError) as error:
        errors.print(f"carousel-train: {error}", markup=False, highlight=False, style="red")
        return 1
    except KeyboardInterrupt:
        errors.print("stopped; the same command with --resume goes on from the last checkpoint")
        return INTERRUPTED
    except OSError as error:
        errors.print(f"carousel-train: {error.filename or 'writing'}: {error.strerror}", markup=False, style="red")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="carousel-train", description="Train a small recurrent model and publish it.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, kind in CONFIGS.items():
        command = commands.add_parser(name, help=kind.__doc__, description=kind.__doc__)
        command.add_argument("--recipe", type=Path, help="TOML file of settings; flags override it")
        command.add_argument("--resume", action="store_true", help="go on from the checkpoint of a run that was stopped")
        for field, info in kind.model_fields.items():
            if field != "task":
                _add_flag(command, field, info)
    any_recipe = commands.add_parser("recipe", help="Run a recipe of any task.", description="Run a recipe of any task.")
    any_recipe.add_argument("recipe", type=Path, help="TOML file of settings")
    any_recipe.add_argument("--resume", action="store_true", help="go on from the checkpoint of a run that was stopped")
    for field in ("data", "models", "runs"):
        _add_flag(any_recipe, field, RunConfig.model_fields[field])
    explanation = "Publish the next version of a model, the same network with a graph in int8 beside the one in fp32."
    quantize = commands.add_parser("quantize", help="Add a graph in int8 to a published model.", description=explanation)
    quantize.add_argument("model", metavar="NAME[@VERSION]")
    quantize.add_argument("--data", help="where the data lie that it was trained on (default: where they lay then)")
    quantize.add_argument("--models", type=Path, default=Path("models"), help="folder of the models (default: models)")
    inspect = commands.add_parser(
        "inspect", help="Show a published model.", description="Show a published model: task, signature, scores, weights."
    )
    inspect.add_argument("model", metavar="NAME[@VERSION]")
    inspect.add_argument("--models", type=Path, default=Path("models"), help="folder of the models (default: models)")
    return parser


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
    command = task if options.command == "recipe" else options.command
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

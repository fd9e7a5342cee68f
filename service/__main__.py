"""`carousel serve | predict | models`: answer over HTTP, score a file, or list and verify the artifacts of a folder.

Each command imports what it needs: all of it takes a second, which `--help` and a misspelt flag need not wait for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal, get_args, get_origin

import orjson
from pydantic import ValidationError

from service import __version__
from service.contract.manifest import ArtifactError
from service.errors import ServiceError, StartupError
from service.freed_memory import made_to_stay
from service.observe.log_lines import configure_logging
from service.settings import PREFIX, Settings, flag

MODEL_SETTINGS = ("models", "device", "backend", "precision", "threads", "log_level", "log_format")
"""Settings of the commands that serve nothing."""

OF_DATA = {"--time": "time", "--series": "series", "--target": "target", "--workers": "at_once"}
"""Flags of `predict` that say how --data is read, and where their values stand."""

CANNOT_START = 2
SOME_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 done but something was refused, 2 it could not start."""
    given = vars(_parser().parse_args(arguments))
    try:
        settings = Settings(**{name: value for name, value in given.items() if name in Settings.model_fields and value is not None})
        configure_logging(settings.log_level, settings.log_format)
        match given["command"]:
            case "serve":
                return serve(settings)
            case "predict" if given["data"] or given["out"]:
                return forecast_series(settings, given)
            case "predict":
                return predict(settings, given)
            case _:
                return models(settings, as_json=given["json"])
    except ValidationError as error:
        return _cannot("; ".join(_wrong_setting(detail) for detail in error.errors()))
    except ServiceError as error:
        return _cannot(error.detail)
    except (ArtifactError, StartupError, OSError, ValueError) as error:
        return _cannot(str(error))


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in flight."""
    with made_to_stay():
        from service.serving import prepared

        run = prepared(settings)
    run()
    return 0


def predict(settings: Settings, given: dict[str, Any]) -> int:
    """Answer every line of the input in the output; `-` is standard input and output."""
    unread = [name for name, place in OF_DATA.items() if given[place] is not None]
    if unread:
        raise StartupError(f"{' and '.join(unread)} cannot be used with --input: add --data FILE and --out FILE, or leave the flag out")
    from service.offline import open_model
    from service.offline.lines import answers, is_error, parameters_of

    model = open_model(settings, given["model"])
    source, target = given["input"], given["output"]
    failed = 0
    with ExitStack() as stack:
        stack.callback(model.close, 0)
        parameters = parameters_of(model.manifest, horizon=given["horizon"], quantiles=given["quantiles"])
        lines: IO[bytes] = sys.stdin.buffer if source == "-" else stack.enter_context(Path(source).open("rb"))
        output: IO[bytes] = sys.stdout.buffer if target == "-" else stack.enter_context(Path(target).open("wb"))
        for answer in answers(model, lines, parameters):
            output.write(answer)
            failed += is_error(answer)
        output.flush()
    if failed:
        sys.stderr.write(f"carousel: {failed} lines got no answer; their errors stand in the output\n")
    return SOME_FAILED if failed else 0


def forecast_series(settings: Settings, given: dict[str, Any]) -> int:
    """Forecast every series of a Parquet or CSV file."""
    if not (given["data"] and given["out"]) or (given["input"], given["output"]) != ("-", "-"):
        raise StartupError("--data FILE and --out FILE go together, and not with --input and --output")
    try:
        from service.offline import open_model
        from service.offline.question import Question
        from service.offline.run import forecast_file
    except ModuleNotFoundError as error:
        raise StartupError(f"--data needs {error.name}: `pip install 'carousel-serve[offline]'`") from error

    model = open_model(settings, given["model"])
    try:
        summary = forecast_file(model, Question.of(model, given), progress_to=sys.stderr)
    except KeyboardInterrupt:
        return _cannot("stopped: the same command goes on from here")
    finally:
        model.close(0)
    refused = f"; {summary.failed} got none: {summary.errors} says why" if summary.failed else ""
    sys.stderr.write(f"carousel: {summary.series - summary.failed} series forecast into {given['out']}{refused}\n")
    return SOME_FAILED if summary.failed else 0


def models(settings: Settings, *, as_json: bool) -> int:
    """Load every artifact as a server would, and say what it is or why it is refused."""
    from service.lifecycle.registry import ModelRegistry
    from service.listing import listing, table

    registry = ModelRegistry(settings)
    registry.load_all()
    rows = listing(registry)
    registry.close()
    _say(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() if as_json else table(rows))
    return SOME_FAILED if registry.refused else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _cannot(message: str) -> int:
    sys.stderr.write(f"carousel: {message}\n")
    return CANNOT_START


def _wrong_setting(detail: Any) -> str:  # noqa: ANN401 - pydantic's error details are JSON
    name = str(detail["loc"][0]) if detail["loc"] else "settings"
    if name not in Settings.model_fields:
        return f"carousel.toml: unknown setting {name!r}; those that there are: {', '.join(Settings.model_fields)}"
    return f"{name} is {detail['input']!r}: {detail['msg']} (set by {flag(name)}, {PREFIX}{name.upper()} or carousel.toml)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="carousel", description="Serve small recurrent models.")
    parser.add_argument("--version", action="version", version=f"carousel {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_settings(commands.add_parser("serve", help="answer over HTTP"), tuple(Settings.model_fields))
    _add_predict(commands.add_parser("predict", help="score a file: questions in lines of JSON, or series in Parquet or CSV"))
    listing = commands.add_parser("models", help="list the artifacts of a folder, each verified")
    listing.add_argument("--json", action="store_true", help="the same for programs")
    _add_settings(listing, MODEL_SETTINGS)
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME[@VERSION]", help="a model of the folder, its newest version unless one is named")
    lines = parser.add_argument_group("questions, one a line")
    lines.add_argument("--input", default="-", metavar="FILE", help="JSON lines, each as one of `instances`; - is standard input")
    lines.add_argument("--output", default="-", metavar="FILE", help="JSON lines; - is standard output")
    series = parser.add_argument_group("many series, a row a step; names of columns are those of the training data unless they are given")
    series.add_argument("--data", metavar="FILE", help="Parquet or CSV, the rows of a series together; needs the extra `offline`")
    series.add_argument("--out", metavar="FILE", help="forecasts in Parquet; a run that was stopped goes on from FILE.parts")
    series.add_argument("--time", metavar="COLUMN", help="column of times")
    series.add_argument("--series", metavar="COLUMN", help="column that tells series apart")
    series.add_argument("--target", metavar="COLUMN", help="column to forecast")
    series.add_argument("--workers", type=int, dest="at_once", metavar="N", help="batches forecast at once; by default one a usable core")
    forecasts = parser.add_argument_group("forecasts, of either")
    forecasts.add_argument("--horizon", type=int, metavar="STEPS", help="steps ahead; by default what the model was trained for")
    forecasts.add_argument("--quantiles", type=float, nargs="+", metavar="LEVEL", help="levels; by default those the model was trained for")
    _add_settings(parser, MODEL_SETTINGS)


def _add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """A flag for each setting; what is not given stays None, so that the environment, the file and the default are asked."""
    for name in names:
        field = Settings.model_fields[name]
        meaning = f"{field.description} Default: {field.default}"
        if field.annotation is bool:
            parser.add_argument(flag(name), action=argparse.BooleanOptionalAction, default=None, help=meaning)
        else:
            choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
            parser.add_argument(flag(name), choices=choices, default=None, help=meaning)


if __name__ == "__main__":
    sys.exit(main())

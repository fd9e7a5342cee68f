"""`carousel serve | predict | models`: answer over HTTP, score a file, or list and verify the artifacts of a folder."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal, get_args, get_origin

import orjson
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from uvicorn.supervisors import Multiprocess

from service import __version__
from service.api.bounded_http import BoundedHttp
from service.app import create_app
from service.contract.manifest import ArtifactError
from service.errors import ServiceError, StartupError
from service.lifecycle.registry import ModelRegistry
from service.listing import listing, table
from service.observe.telemetry import configure_logging
from service.offline import answers, is_error, open_model
from service.settings import PREFIX, Settings, flag

MODEL_SETTINGS = ("models", "device", "backend", "threads", "log_level", "log_format")
"""Settings of the commands that serve nothing."""

IN_MEMORY = "/dev/shm"  # noqa: S108 - a new folder with a random name is made in it, which only its owner may enter
"""Where workers share what they count: it can be written where the disk cannot."""

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
            case "predict":
                return predict(settings, given["model"], given["input"], given["output"])
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
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _drained)
    if settings.workers > 1:
        return _serve_with_workers(settings)
    app = create_app(settings)
    app.state.context.registry.load_all()  # here, so that what stops it is said plainly; the app finds it loaded
    _Server(_server_config(app, settings)).run()
    return 0


def worker_app() -> FastAPI:
    """The application of a worker process, whose settings its parent has put into the environment."""
    settings = Settings()
    configure_logging(settings.log_level, settings.log_format)
    return create_app(settings)


def predict(settings: Settings, wanted: str, source: str, target: str) -> int:
    """Answer every line of `source` in `target`; `-` is standard input and output."""
    model = open_model(settings, wanted)
    failed = 0
    with ExitStack() as stack:
        stack.callback(model.close, 0)
        lines: IO[bytes] = sys.stdin.buffer if source == "-" else stack.enter_context(Path(source).open("rb"))
        output: IO[bytes] = sys.stdout.buffer if target == "-" else stack.enter_context(Path(target).open("wb"))
        for answer in answers(model, lines):
            output.write(answer)
            failed += is_error(answer)
        output.flush()
    if failed:
        sys.stderr.write(f"carousel: {failed} lines got no answer; their errors stand in the output\n")
    return SOME_FAILED if failed else 0


def models(settings: Settings, *, as_json: bool) -> int:
    """Load every artifact as a server would, and say what it is or why it is refused."""
    registry = ModelRegistry(settings)
    registry.load_all()
    rows = listing(registry)
    registry.close()
    _say(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() if as_json else table(rows))
    return SOME_FAILED if registry.refused else 0


class _Server(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; then a line on standard output."""
        await super().startup(sockets)
        if self.started:
            _say_where(self.servers[0].sockets[0])


def _serve_with_workers(settings: Settings) -> int:
    if settings.repository_mode == "explicit":
        raise StartupError("--repository-mode explicit changes the worker that is asked and no other: use poll, or one worker")
    checked = ModelRegistry(settings.model_copy(update={"repository_mode": "none"}))
    checked.load_all()  # what stops a worker stops the service here, and is said plainly
    checked.close()
    config = _server_config("service.__main__:worker_app", settings)
    listening = config.bind_socket()
    listening.listen(config.backlog)
    _say_where(listening)
    with tempfile.TemporaryDirectory(prefix="carousel-", dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None) as folder:
        told = settings.model_copy(update={"worker_folder": Path(folder)})
        os.environ.update(told.environment())  # for the workers, those that replace others included
        Multiprocess(config, [listening]).run()
    return 0


def _server_config(app: FastAPI | str, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        lifespan="on",
        ws="none",
        http=BoundedHttp,
        log_config=None,
        access_log=settings.access_log,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_s,
    )


def _drained(_number: int, _frame: object) -> None:
    """Do nothing: uvicorn has its own handler while it serves, and raises the signal again once it has drained."""


def _say_where(listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _say(f"Carousel {__version__} answers on {address}; try it at {address}/docs")


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
    scoring = commands.add_parser("predict", help="score a file: one question a line in, one answer a line out")
    scoring.add_argument("model", metavar="NAME[@VERSION]", help="a model of the folder, its newest version unless one is named")
    scoring.add_argument("--input", default="-", metavar="FILE", help="JSON lines, each as one of `instances`; - is standard input")
    scoring.add_argument("--output", default="-", metavar="FILE", help="JSON lines; - is standard output")
    _add_settings(scoring, MODEL_SETTINGS)
    listing = commands.add_parser("models", help="list the artifacts of a folder, each verified")
    listing.add_argument("--json", action="store_true", help="the same for programs")
    _add_settings(listing, MODEL_SETTINGS)
    return parser


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

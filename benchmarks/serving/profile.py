"""Where one request's microseconds go: its stages timed one by one in this process, the HTTP around them by difference.

python -m benchmarks.serving.profile [--repetitions 3000]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import uvloop
from fastapi import FastAPI

from benchmarks.results import table, write_section
from benchmarks.serving import environments
from benchmarks.serving.load import Measured, measure
from benchmarks.serving.questions import TASKS, Questions, Task
from benchmarks.serving.running import started, wait_until_it_answers
from benchmarks.serving.servers import SERVERS
from service.api import forecast, next_word
from service.app import create_app
from service.served_model import ServedModel
from service.settings import Settings
from service.tasks.dialogue import Dialogue, Step

HEADING = "Where a request's microseconds go"
NAMES: Mapping[Task, str] = {"forecast": "bench-forecast", "next-word": "bench-next-word"}
CAROUSEL = next(server for server in SERVERS if server.key == "carousel")
IN_ORDER = ("body -> question, checked", "question -> tensors", "graph, one row", "outputs -> answer", "answer -> JSON")
GRAPH = IN_ORDER.index("graph, one row")
BATCHER = "batcher: queueing, and handing the outputs back"
AROUND = "routing, reading the body, headers, counting"
HTTP = "HTTP: uvicorn, the sockets, the client (p50 of wrk, less the above)"
LOADED = (1, 16)
"""Connections of the load that HTTP is measured with, and that the last line is of."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Microseconds of each stage of one task: the 10th percentile and the median; then what a request costs of a loaded server."""

    stages: Mapping[str, tuple[float | None, float]]
    loaded_us: float


def main() -> None:
    """Measure and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description="Time the stages of a request.")
    parser.add_argument("--repetitions", type=int, default=3000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        subprocess.run([sys.executable, "-m", "benchmarks.serving.models", str(models)], check=True, cwd=environments.PROJECT)
        questions = Questions.about(models)
        loads = _loads(models, questions, Path(folder))
        app = create_app(Settings(models=models))
        app.context.registry.load_all()
        gc.collect()
        gc.freeze()
        profiles = {task: _profile(app, task, questions, loads[task], options.repetitions) for task in TASKS}
        app.context.registry.close()
    write_section(HEADING, command="python -m benchmarks.serving.profile", body=report(profiles, options.repetitions))


def report(profiles: Mapping[Task, Profile], repetitions: int) -> str:
    """The section in Markdown."""
    columns = ("stage", *(f"{task}, {what}" for task in profiles for what in ("p10", "median")))
    names = next(iter(profiles.values())).stages
    rows = [(name, *(_word(us) for profile in profiles.values() for us in profile.stages[name])) for name in names]
    together = [cell for profile in profiles.values() for cell in ("", _word(sum(median for _, median in profile.stages.values())))]
    loaded = [cell for profile in profiles.values() for cell in ("", _word(profile.loaded_us))]
    note = (
        f"Microseconds of one request on its own to a typed route, of {repetitions:,}; nothing else runs. The last line is a second over "
        f"the requests that {LOADED[1]} connections get answered in it: batching shares the graph and overlaps the rest."
    )
    return f"{note}\n\n{table(columns, [*rows, ('**together**', *together), (f'a request of {LOADED[1]} connections', *loaded)])}"


def _loads(models: Path, questions: Questions, folder: Path) -> Mapping[Task, Sequence[Measured]]:
    way = CAROUSEL.ways[0]
    with started(CAROUSEL, models, None, folder / "carousel.log") as running:
        wait_until_it_answers(running, questions)
        return {
            task: [
                measure(
                    running.url + way.paths[task],
                    questions.ask(task, way.wire),
                    connections=connections,
                    seconds=3,
                    script=folder / "load.lua",
                )
                for connections in LOADED
            ]
            for task in TASKS
        }


def _profile(app: FastAPI, task: Task, questions: Questions, loads: Sequence[Measured], repetitions: int) -> Profile:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(_timed(app, task, questions.ask(task, "text").body, repetitions))
    columns = zip((*IN_ORDER, BATCHER, AROUND), zip(*rows, strict=True), strict=True)
    stages: dict[str, tuple[float | None, float]] = {name: (_low(found), statistics.median(found)) for name, found in columns}
    stages[HTTP] = (None, loads[0].p50_ms * 1000 - statistics.median(map(sum, rows)))
    return Profile(stages, 1e6 / loads[1].requests_s)


async def _timed(app: FastAPI, task: Task, body: bytes, repetitions: int) -> list[list[float]]:
    """Microseconds of each stage, repetition by repetition: by hand, through the batcher, through the application."""
    model: ServedModel = app.context.registry.get(NAMES[task])
    found = []
    for _ in range(repetitions):
        by_hand, step = _by_hand(model, task, body)
        began = perf_counter()
        await model.infer(step.inputs, outputs=step.outputs)
        inferred = perf_counter()
        await _call(app, CAROUSEL.ways[0].paths[task], body)
        batcher = inferred - began - by_hand[GRAPH]
        around = perf_counter() - inferred - batcher - sum(by_hand)
        found.append([seconds * 1e6 for seconds in (*by_hand, batcher, around)])
    return found


def _by_hand(model: ServedModel, task: Task, body: bytes) -> tuple[list[float], Step]:
    """Seconds of each stage of `IN_ORDER`, one after another without a server; and what the graph was run on."""
    marks = [perf_counter()]
    question = _read(task, body)
    marks.append(perf_counter())
    dialogue = _asked(model, task, question)
    step = next(dialogue)
    marks.append(perf_counter())
    outputs = model.backend.run(step.inputs, step.outputs)
    marks.append(perf_counter())
    try:
        dialogue.send(outputs)
    except StopIteration as end:
        answer = end.value
    marks.append(perf_counter())
    orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    marks.append(perf_counter())
    return [after - before for before, after in pairwise(marks)], step


def _read(task: Task, body: bytes) -> Any:  # noqa: ANN401 - one of two bodies, each taken by its own dialogue
    return (forecast.ForecastBody if task == "forecast" else next_word.NextWordBody).read(body, [])


def _asked(model: ServedModel, task: Task, question: Any) -> Dialogue[Any]:  # noqa: ANN401 - as above
    dialogue: Dialogue[Any] = (forecast if task == "forecast" else next_word).dialogue(model.manifest, model.tokenizer, question)
    return dialogue


async def _call(app: FastAPI, path: str, body: bytes) -> None:
    """The application asked as uvicorn asks it."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    hung_up: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else await hung_up

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError(f"{path} answered {message['status']}")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await app(scope, receive, send)


def _low(found: Sequence[float]) -> float:
    """The 10th percentile: the least of what are differences says nothing."""
    return statistics.quantiles(found, n=10)[0]


def _word(us: float | None) -> str:
    return "" if us is None else f"{us:.0f}"


if __name__ == "__main__":
    main()

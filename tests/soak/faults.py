"""Callers as nobody wants them: they hang up, send nonsense, dawdle, say nothing, or come all at once."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .models import GUEST, NUMBERS, WORDS
from .questions import any_question, stream
from .tally import Tally
from .wire import Answer, Caller, Lost, get, post, read_answer


@dataclass(frozen=True, slots=True)
class Scene:
    """Where harm is done, what is told of it, and for how long those sit who do nothing."""

    host: tuple[str, int]
    tally: Tally
    draw: random.Random
    idle_s: float


Fault = Callable[[Scene], Awaitable[None]]

AT_ONCE = 60
ROWS_AT_ONCE = 8
FORECAST = f"/v1/models/{NUMBERS}/forecast"
INFER = f"/v2/models/{NUMBERS}/infer"
GENERATE = f"/v2/models/{WORDS}/generate_stream"

NONSENSE: tuple[tuple[bytes, tuple[int, ...]], ...] = (
    (post(FORECAST, b""), (400,)),
    (post(FORECAST, b"{"), (400,)),
    (post(FORECAST, b"[" * 100_000), (400,)),
    (post(FORECAST, b'{"series": []}'), (422,)),
    (post(FORECAST, b'{"series": [{"values": [1, "2"]}]}'), (422,)),
    (post(FORECAST, b'{"series": [{"values": [1e999, 2]}]}'), (400, 422)),
    (post(FORECAST, b'{"series": [{"values": [1, 2]}], "horizon": 99}'), (422,)),
    (post(FORECAST, b'{"series": [{"values": [1, 2]}], "other": 1}'), (422,)),
    (post(FORECAST, b"{}", Content_Encoding="gzip"), (400,)),
    (post(FORECAST, gzip.compress(b" " * 3_000_000), Content_Encoding="gzip"), (413,)),
    (post(FORECAST, b"{}", Content_Encoding="br"), (415,)),
    (post(FORECAST, b'{"series": [{"values": [1, 2]}]}', X_Request_Timeout_Ms="soon"), (422,)),
    (post(INFER, b'{"inputs": []}'), (400,)),
    (post(INFER, b'{"inputs": [{"name": "target", "datatype": "FP32", "shape": [-1, 2], "data": [1, 2]}]}'), (400,)),
    (post(INFER, b'{"inputs": [{"name": "target", "datatype": "FP32", "shape": [18446744073709551616, 2], "data": [1, 2]}]}'), (400,)),
    (post(INFER, b'{"inputs": [{"name": "other", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}'), (400,)),
    (post(INFER, b"{}", Inference_Header_Content_Length="9"), (400,)),
    (post(GENERATE, b'{"text_input": "a ", "parameters": {"max_tokens": 100000}}'), (400,)),
    (post(f"/v2/models/{NUMBERS}/generate_stream", b'{"text_input": "a "}'), (409,)),
    (post("/v1/models/nobody/forecast", b'{"series": [{"values": [1, 2]}]}'), (404,)),
    (post(f"/v1/models/{NUMBERS}@nobody/forecast", b'{"series": [{"values": [1, 2]}]}'), (404,)),
    (post(f"/v1/models/{NUMBERS}/versions/999999/forecast", b'{"series": [{"values": [1, 2]}]}'), (404,)),
    (post("/v2/repository/models/nobody/load", b""), (404,)),
    (post("/v2/repository/models/..%2f..%2fetc/load", b""), (400, 404)),
    (get(FORECAST), (405,)),
    (get("/nowhere"), (404,)),
    (b"NONSENSE\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, (431,)),
    (bytes(range(256)), (400,)),
)


async def nonsense(scene: Scene) -> None:
    """A request that is wrong in one of many ways; it is refused, with the status that says so."""
    caller = Caller(scene.host)
    request, statuses = scene.draw.choice(NONSENSE)
    reader, writer = await caller.opened()
    try:
        writer.write(request)
        answer = await asyncio.wait_for(read_refusal(reader), 30)
        if scene.tally.expect(f"{request[:80]!r}", answer, *statuses):
            scene.tally.done["nonsense, refused as such"] += 1
    except (OSError, EOFError, TimeoutError) as error:
        if len(request) < 60_000:  # of a longer one, not all may be read before the connection is closed
            scene.tally.fault("lost", f"{request[:80]!r}: {type(error).__name__}")
    finally:
        caller.close()


async def read_refusal(reader: asyncio.StreamReader) -> Answer:
    """An answer, whatever it is."""
    return await read_answer(reader)


async def hang_up(scene: Scene) -> None:
    """Leave somewhere within a request, or right behind it."""
    caller = Caller(scene.host)
    request = any_question(scene.draw).request
    _, writer = await caller.opened()
    writer.write(request[: scene.draw.choice([0, 1, 30, len(request) // 2, len(request) - 1, len(request), len(request)])])
    await asyncio.sleep(scene.draw.choice([0, 0, 0.001, 0.02]))
    scene.draw.choice([caller.close, caller.reset])()
    scene.tally.done["left within a request"] += 1


async def leave_a_stream(scene: Scene) -> None:
    """Read the beginning of an answer that comes in pieces, and leave."""
    caller = Caller(scene.host)
    reader, writer = await caller.opened()
    writer.write(stream(scene.draw, 1).request)
    await asyncio.wait_for(reader.read(scene.draw.choice([1, 200, 400])), 30)
    scene.draw.choice([caller.close, caller.reset])()
    scene.tally.done["left within an answer"] += 1


async def dawdle(scene: Scene) -> None:
    """Send a good request in small pieces, slowly, and read the answer as slowly; it is a right one all the same."""
    caller = Caller(scene.host)
    question = any_question(scene.draw)
    reader, writer = await caller.opened()
    try:
        for start in range(0, len(question.request), step := max(len(question.request) // 10, 1)):
            writer.write(question.request[start : start + step])
            await writer.drain()
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        scene.tally.judge(question, await asyncio.wait_for(read_answer(reader), 60))
        scene.tally.done["slow callers"] += 1
    except (OSError, EOFError, TimeoutError) as error:
        scene.tally.fault("lost", f"slowly, {question.kind}: {type(error).__name__}: {error}")
    finally:
        caller.close()


async def idle(scene: Scene) -> None:
    """Hold connections and say nothing."""
    callers = [Caller(scene.host) for _ in range(20)]
    for caller in callers:
        await caller.opened()
    await asyncio.sleep(scene.draw.uniform(0, scene.idle_s))
    for caller in callers:
        caller.close()
    scene.tally.done["idle connections"] += len(callers)


async def burst(scene: Scene) -> None:
    """Come all at once, with more than may wait: each is answered or refused."""

    async def one(caller: Caller) -> None:
        await scene.tally.ask(caller, any_question(scene.draw, rows=ROWS_AT_ONCE))
        caller.close()

    await asyncio.gather(*(one(Caller(scene.host)) for _ in range(AT_ONCE)))
    scene.tally.done["bursts"] += 1


async def look(scene: Scene) -> None:
    """Look at what an operator looks at."""
    caller = Caller(scene.host)
    paths = [get(path) for path in ("/metrics", "/v1/models", "/v2/health/ready", "/v2/models/stats", "/openapi.json")]
    request = scene.draw.choice([*paths, post("/v2/repository/index", b"")])
    try:
        scene.tally.expect(f"{request[:40]!r}", await caller.ask(request), 200)
    except Lost as lost:
        scene.tally.fault("lost", f"{request[:40]!r}: {lost}")
    caller.close()


async def visit(scene: Scene) -> None:
    """Ask the model that comes and goes: it answers, or is not there."""
    caller = Caller(scene.host)
    values = [float(scene.draw.randrange(1000)) for _ in range(2)]
    body = f'{{"series": [{{"values": {values}}}]}}'.encode()
    try:
        answer = await caller.ask(post(f"/v1/models/{GUEST}/forecast", body))
        scene.tally.expect("the guest", answer, 200, 404, 429, 504)
        scene.tally.done[f"guest: {answer.status}"] += 1
    except Lost as lost:
        scene.tally.fault("lost", f"the guest: {lost}")
    caller.close()


FAULTS: tuple[tuple[Fault, float], ...] = (
    (nonsense, 0.02),
    (hang_up, 0.02),
    (leave_a_stream, 0.05),
    (dawdle, 0.2),
    (idle, 1.0),
    (burst, 2.0),
    (look, 0.2),
    (visit, 0.05),
)
"""Each, and the seconds of rest between two of its kind."""

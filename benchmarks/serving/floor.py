"""The floor: a bare ASGI application that parses the same JSON with orjson, runs the same graph and answers, one request after another.

uvicorn benchmarks.serving.floor:app        with BENCH_MODELS naming the folder of the artifacts
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

HEADERS = [(b"content-type", b"application/json")]


def _session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = Path(os.environ["BENCH_MODELS"], name, "1", "model.onnx")
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


FORECAST = _session("bench-forecast")
NEXT_WORD = _session("bench-next-word")
ZERO = np.zeros((1, 1, 256), np.float32)


def forecast(body: bytes) -> bytes:
    """The 24 values that follow one series."""
    series = orjson.loads(body)["series"][0]
    target = np.array([series["values"]], np.float32)
    past = np.array([list(series["past"].values())], np.float32).transpose(0, 2, 1)
    return orjson.dumps(
        {"point": FORECAST.run(["quantiles"], {"target": target, "past": past})[0][0, :, 0]}, option=orjson.OPT_SERIALIZE_NUMPY
    )


def next_word(body: bytes) -> bytes:
    """The ids of the best 5 and their log-probabilities."""
    tokens = np.array([orjson.loads(body)["tokens"]], np.int64)
    ids, log_probs = NEXT_WORD.run(["top_ids", "top_log_probs"], {"tokens": tokens, "state_h": ZERO, "state_c": ZERO})
    return orjson.dumps({"ids": ids[0], "log_probs": log_probs[0]}, option=orjson.OPT_SERIALIZE_NUMPY)


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    body = b""
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    match scope["path"]:
        case "/forecast":
            answer = forecast(body)
        case "/next-word":
            answer = next_word(body)
        case _:
            answer = b"{}"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": answer})

"""Well-formed requests of every kind, each with its own numbers, and whether an answer is the one to this very request."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from .models import CIRCLE, LARGEST, NUMBERS, SPREAD, WORDS, follows
from .wire import Answer, post

REFUSALS = (429, 504)
"""What a well-formed request may be answered instead. 503 is for a service that stops, which one that loads models does not."""
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and what is wrong with an answer to it: nothing where it is the right one."""

    kind: str
    request: bytes
    wrong: Callable[[Answer], str]


def any_question(draw: random.Random, *, rows: int | None = None) -> Question:
    """One of any kind; `rows` series where it is about numbers."""
    kinds: tuple[Callable[[random.Random, int], Question], ...] = (typed, generic, tensors, binary, stream, next_word)
    return draw.choice(kinds[:4] if rows else kinds)(draw, rows or draw.randint(1, 4))


def typed(draw: random.Random, rows: int) -> Question:
    """Series to the forecast route, compressed now and then."""
    asked = _series(draw, rows)
    said = [{"id": f"{former}-{newest}", "values": values} for former, newest, values in asked]
    body = json.dumps({"series": said}).encode()

    def wrong(answer: Answer) -> str:
        content = answer.json()
        forecasts = content["forecasts"]
        if [one["id"] for one in forecasts] != [one["id"] for one in said]:
            return "ids of another request"
        found = np.array([[one["quantiles"][level] for level in ("0.1", "0.5", "0.9")] for one in forecasts])
        return _crossed(asked, found.transpose(0, 2, 1), _version(answer, content["version"]))

    path = f"/v1/models/{NUMBERS}/forecast"
    if draw.random() < 0.2:
        return Question("typed, compressed", post(path, gzip.compress(body), Content_Encoding="gzip"), wrong)
    return Question("typed", post(path, body), wrong)


def generic(draw: random.Random, rows: int) -> Question:
    """Series to `:predict`."""
    asked = _series(draw, rows)
    body = json.dumps({"instances": [{"values": values} for _, _, values in asked]}).encode()

    def wrong(answer: Answer) -> str:
        predictions = answer.json()["predictions"]
        found = np.array([[one["quantiles"][level] for level in ("0.1", "0.5", "0.9")] for one in predictions])
        return _crossed(asked, found.transpose(0, 2, 1), _version(answer))

    return Question(":predict", post(f"/v1/models/{NUMBERS}:predict", body), wrong)


def tensors(draw: random.Random, rows: int) -> Question:
    """Series as a tensor in JSON."""
    asked = _series(draw, rows, same_length=True)
    array = _array(asked)
    tensor = {"name": "target", "datatype": "FP32", "shape": array.shape, "data": array.ravel().tolist()}
    identity = f"soak-{next(_numbers)}"
    body = json.dumps({"id": identity, "inputs": [tensor]}).encode()

    def wrong(answer: Answer) -> str:
        content = answer.json()
        if content["id"] != identity:
            return f"the id of another request: {content['id']} for {identity}"
        output = content["outputs"][0]
        return _crossed(asked, np.array(output["data"]).reshape(output["shape"]), _version(answer, content["model_version"]))

    return Question("tensors", post(f"/v2/models/{NUMBERS}/infer", body), wrong)


def binary(draw: random.Random, rows: int) -> Question:
    """Series as bytes, both ways."""
    asked = _series(draw, rows, same_length=True)
    array = _array(asked)
    data = array.tobytes()
    tensor = {"name": "target", "datatype": "FP32", "shape": array.shape, "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()

    def wrong(answer: Answer) -> str:
        length = int(answer.headers["inference-header-content-length"])
        content = json.loads(answer.body[:length])
        found = np.frombuffer(answer.body[length:], np.float32).reshape(content["outputs"][0]["shape"])
        return _crossed(asked, found, _version(answer, content["model_version"]))

    return Question("binary", post(f"/v2/models/{NUMBERS}/infer", head + data, Inference_Header_Content_Length=len(head)), wrong)


def stream(draw: random.Random, _rows: int) -> Question:
    """A text to continue word by word."""
    start = draw.choice(CIRCLE)
    tokens = draw.randint(1, 12)
    body = json.dumps({"text_input": f"{start} ", "parameters": {"max_tokens": tokens}}).encode()

    def wrong(answer: Answer) -> str:
        events = [json.loads(event.removeprefix(b"data: ")) for event in answer.body.split(b"\n\n") if event]
        if "error" in events[-1]:
            return ""  # the time of the request ended, which the last event says
        told = {event["model_version"] for event in events}
        if len(told) != 1 or len(events) != tokens:
            return f"{len(events)} events of the versions {sorted(told)} for {tokens} words"
        said = [event["text_output"].strip() for event in events]
        return "" if follows(start, said, _version(answer, told.pop())) else f"{said} behind {start} in version {_version(answer)}"

    return Question("generate_stream", post(f"/v2/models/{WORDS}/generate_stream", body), wrong)


def next_word(draw: random.Random, _rows: int) -> Question:
    """The word behind a word."""
    start = draw.choice(CIRCLE)
    body = json.dumps({"text": f"{start} ", "top_k": 1}).encode()

    def wrong(answer: Answer) -> str:
        content = answer.json()
        said = content["suggestions"][0]["word"]
        version = _version(answer, content["version"])
        return "" if follows(start, [said], version) else f"{said} behind {start} in version {version}"

    return Question("next-word", post(f"/v1/models/{WORDS}/next-word", body), wrong)


_Asked = tuple[float, float, list[float]]
"""The last value but one, the last one, all of them."""


def _series(draw: random.Random, rows: int, *, same_length: bool = False) -> list[_Asked]:
    length = draw.randint(2, 6)
    asked = []
    for _ in range(rows):
        number = next(_numbers)
        former, newest = float(number % LARGEST), float(number * 7919 % LARGEST)
        values = [0.0] * (0 if same_length else draw.randint(0, 3)) + [1.0] * (length - 2) + [former, newest]
        asked.append((former, newest, values))
    return asked


def _array(asked: list[_Asked]) -> NDArray[np.float32]:
    return np.array([values for _, _, values in asked], np.float32)


def _version(answer: Answer, told: object = None) -> int:
    """The version that the header tells, or -1 where the body tells another."""
    header = int(answer.headers["x-model-version"])
    return header if told is None or int(str(told)) == header else -1


def _crossed(asked: list[_Asked], found: NDArray[np.floating], version: int) -> str:
    """What is wrong with quantiles, (rows, steps, quantiles)."""
    middle = np.array([[newest, former, version] for former, newest, _ in asked], np.float64)
    wanted = middle[:, :, None] + np.array([-SPREAD, 0, SPREAD])
    return "" if found.shape == wanted.shape and np.array_equal(found, wanted) else f"{found.tolist()} where {wanted.tolist()} was asked"

"""What every server is asked: the next 24 values of one series, and the words behind 16 tokens; each in the words of its wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.contract.tokenizer import WordTokenizer

Task = Literal["forecast", "next-word"]
TASKS: tuple[Task, ...] = ("forecast", "next-word")
Wire = Literal["ids", "text", "ids-instances", "text-instances", "tensors", "binary"]
"""How a question is written.

- `ids`: the body of Carousel's forecast route; for next words the ids of the tokens.
- `text`: the bodies of Carousel's own routes.
- `ids-instances`, `text-instances`: the same inside `instances`, as KServe v1 and TensorFlow Serving have it.
- `tensors`: the Open Inference Protocol in JSON; `binary`: with bytes behind the JSON, both ways.
"""
CONTEXT, HORIZON, COVARIATES = 48, 24, ("a", "b", "c")
VOCABULARY = 10_000
TOLERANCE = 1e-3
LENGTH_HEADER = "Inference-Header-Content-Length"
_DATATYPES = {"FP32": np.float32, "INT64": np.int64}

Array = NDArray[Any]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A body to post and its headers."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Questions:
    """The numbers and words that are sent: `tokens` are the ids of `text`, whose next word `words`, by id, may be."""

    series: Json
    text: str
    tokens: list[int]
    words: dict[str, int]

    @classmethod
    def about(cls, models: Path) -> Questions:
        """Questions to the two models published there."""
        numbers = np.random.default_rng(1).normal(100, 10, (1 + len(COVARIATES), CONTEXT)).round(3).tolist()
        text = " ".join(word(number) for number in range(15)) + " "  # END and 15 words: 16 tokens
        tokenizer = WordTokenizer.load(models / "bench-next-word" / "1" / "tokenizer.json")
        return cls(
            series={"values": numbers[0], "past": dict(zip(COVARIATES, numbers[1:], strict=True))},
            text=text,
            tokens=[int(number) for number in tokenizer.context(text).ids],
            words={known: number for number, known in enumerate(tokenizer.words)},
        )

    def ask(self, task: Task, wire: Wire) -> Question:
        """The question of a task on a wire."""
        match wire:
            case "tensors":
                return _in_json(self._tensors(task), OUTPUTS[task])
            case "binary":
                return _in_bytes(self._tensors(task), OUTPUTS[task])
            case _:
                return Question(json.dumps(self._typed(task, wire)).encode())

    def read(self, data: bytes, headers: Mapping[str, str]) -> Array:
        """Numbers of an answer on any wire: the 24 values; or the ids of 5 words and their log-probabilities."""
        length = headers.get(LENGTH_HEADER)
        if length is not None:
            return _from_bytes(json.loads(data[: int(length)])["outputs"], data[int(length) :])
        return self._numbers(json.loads(data))

    def _typed(self, task: Task, wire: Wire) -> Json:
        match task, wire:
            case "forecast", "ids" | "text":
                return {"series": [self.series]}
            case "forecast", _:
                return {"instances": [self.series]}
            case _, "ids":
                return {"tokens": self.tokens}
            case _, "text":
                return {"text": self.text}
            case _, "ids-instances":
                return {"instances": [{"tokens": self.tokens}]}
            case _:
                return {"instances": [self.text]}

    def _tensors(self, task: Task) -> dict[str, Array]:
        if task == "forecast":
            past = np.array(list(self.series["past"].values()), np.float32).T
            return {"target": np.array([self.series["values"]], np.float32), "past": past[np.newaxis]}
        state = np.zeros((1, 1, 256), np.float32)
        return {"tokens": np.array([self.tokens], np.int64), "state_h": state, "state_c": state}

    def _numbers(self, answer: Json) -> Array:
        match answer:
            case {"outputs": outputs}:
                return np.concatenate([np.ravel(output["data"]) for output in sorted(outputs, key=_place)])
            case {"forecasts": [one]} | {"predictions": [one]}:
                return self._numbers(one)
            case {"point": point}:
                return np.array(point)
            case {"ids": ids, "log_probs": log_probs}:
                return np.array([*ids, *log_probs])
            case {"suggestions": suggestions}:
                ids = [self.words[one["word"]] for one in suggestions]
                return np.array([*ids, *np.log([one["probability"] for one in suggestions])])
            case _:
                raise ValueError(f"not an answer: {str(answer)[:200]}")


OUTPUTS: dict[Task, tuple[str, ...]] = {"forecast": ("quantiles",), "next-word": ("top_ids", "top_log_probs")}
_ORDER = {name: place for names in OUTPUTS.values() for place, name in enumerate(names)}


def word(number: int) -> str:
    """A made-up word for a number below 26 cubed: letters only, so that it is one token."""
    return "".join(chr(97 + digit) for digit in (number // 676, number // 26 % 26, number % 26))


def same(answer: Array, wanted: Array) -> bool:
    """Whether two servers have given the same numbers."""
    return answer.shape == wanted.shape and bool(np.allclose(answer, wanted, rtol=TOLERANCE, atol=TOLERANCE))


def _in_json(tensors: Mapping[str, Array], outputs: tuple[str, ...]) -> Question:
    inputs = [{**_described(name, tensor), "data": _shortest(tensor)} for name, tensor in tensors.items()]
    return Question(json.dumps({"inputs": inputs, "outputs": [{"name": name} for name in outputs]}).encode())


def _in_bytes(tensors: Mapping[str, Array], outputs: tuple[str, ...]) -> Question:
    inputs = [{**_described(name, tensor), "parameters": {"binary_data_size": tensor.nbytes}} for name, tensor in tensors.items()]
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    head = json.dumps({"inputs": inputs, "outputs": wanted}).encode()
    headers = {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(head))}
    return Question(head + b"".join(tensor.tobytes() for tensor in tensors.values()), headers)


def _described(name: str, tensor: Array) -> Json:
    datatype = next(known for known, dtype in _DATATYPES.items() if tensor.dtype == dtype)
    return {"name": name, "shape": list(tensor.shape), "datatype": datatype}


def _shortest(tensor: Array) -> list[float]:
    """The numbers as a person would write them: `99.314`, not `99.31400299072266`."""
    return [float(str(number)) if tensor.dtype.kind == "f" else int(number) for number in tensor.ravel()]


def _from_bytes(outputs: list[Json], data: bytes) -> Array:
    found = {}
    for output in outputs:
        size = output["parameters"]["binary_data_size"]
        found[_place(output)] = np.frombuffer(data[:size], _DATATYPES[output["datatype"]])
        data = data[size:]
    return np.concatenate([found[place] for place in sorted(found)])


def _place(output: Json) -> int:
    return _ORDER[output["name"]]

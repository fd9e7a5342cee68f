"""Questions for the docs page, each of which a bundled model answers as it stands.

The data are made by formulas or drawn here: they look like what the models were trained on, and copy none of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.openapi.models import Example


@dataclass(frozen=True, slots=True)
class Question:
    """A body for `model`; `title` says what it shows."""

    model: str
    title: str
    body: dict[str, Any]


def names(questions: Sequence[Question]) -> dict[str, Example]:
    """Examples of the path parameter `name`, one for each model."""
    return {question.model: Example(value=question.model) for question in questions}


def bodies(questions: Sequence[Question]) -> dict[str, Example]:
    """Examples of the body; their keys begin with the model that each is for."""
    return {
        f"{question.model}: {question.title}": Example(summary=f"{question.model}: {question.title}", value=question.body)
        for question in questions
    }


def hourly_load(hours: int) -> list[float]:
    """Energy use of a building in kWh, from a Monday's midnight on: nights low, evenings high, weekends a little higher."""
    return [
        round(
            1.4
            - 0.5 * math.cos(2 * math.pi * (hour - 3) / 24)
            + 0.35 * math.cos(4 * math.pi * (hour - 19) / 24)
            + (0.2 if hour % 168 >= 120 else 0.0),
            2,
        )
        for hour in range(hours)
    ]


def daily_prices(days: int) -> dict[str, list[float]]:
    """Open, high, low, close and volume of a share over business days."""
    close = [round(100 + 0.15 * day + 2 * math.sin(day / 3) + 0.7 * math.sin(day * 1.7), 2) for day in range(days)]
    opened = [99.8, *close[:-1]]
    return {
        "Open": opened,
        "High": [round(max(pair) + 0.6, 2) for pair in zip(opened, close, strict=True)],
        "Low": [round(min(pair) - 0.5, 2) for pair in zip(opened, close, strict=True)],
        "Close": close,
        "Volume": [3_000_000 + 40_000 * (day * 7 % 11) for day in range(days)],
    }


def digit() -> list[list[int]]:
    """A hand-written seven, 28 rows of 28 pixels from 0 (paper) to 255 (ink)."""
    inked = {".": 0, "-": 90, "+": 180, "#": 254}
    blank = "." * 28
    rows = [blank] * 7 + [row.center(28, ".") for row in _SEVEN.split()]
    return [[inked[pixel] for pixel in row] for row in rows + [blank] * (28 - len(rows))]


_SEVEN = """
-++++++++----.........
+####################-
-+++++++++++++####+##+
.............-...+###-
................-###+.
................+##+..
...............+###-..
..............-###+...
..............+##+....
.............+###-....
............-###+.....
............+##+......
...........+###-......
..........-###+.......
..........+##+........
.........+###-........
........-###+.........
........+####.........
........+###+.........
........-+#+..........
"""

_PRICES = daily_prices(40)
_LOAD: dict[str, Any] = {"id": "building-1", "start": "2026-01-05T00:00:00", "values": hourly_load(168)}
_METERED: dict[str, Any] = {**_LOAD, "values": [*_LOAD["values"][:160], 9.0, *_LOAD["values"][161:]]}
_SHARE: dict[str, Any] = {
    "id": "share-1",
    "start": "2026-01-05",
    "values": _PRICES["Close"],
    "past": {name: _PRICES[name] for name in ("Open", "High", "Low", "Volume")},
}

FORECAST_ANSWER: dict[str, Any] = {
    "model": "energy-load",
    "version": 1,
    "forecasts": [
        {
            "id": "building-1",
            "timestamps": ["2026-01-12T00:00:00", "2026-01-12T01:00:00"],
            "point": [0.98, 0.86],
            "quantiles": {"0.1": [0.71, 0.6], "0.5": [0.98, 0.86], "0.9": [1.3, 1.2]},
            "context_used": 168,
        }
    ],
}
ANOMALIES_ANSWER: dict[str, Any] = {
    "model": "energy-load",
    "version": 1,
    "level": 80.0,
    "ahead": 1,
    "series": [
        {
            "id": "building-1",
            "first_step": 165,
            "timestamps": ["2026-01-11T21:00:00", "2026-01-11T22:00:00", "2026-01-11T23:00:00"],
            "values": [1.88, 9.0, None],
            "point": [1.95, 1.79, 2.6],
            "low": [1.6, 1.5, 1.4],
            "high": [2.4, 2.1, 4.1],
            "score": [-0.2, 23.26, None],
            "anomaly": [False, True, False],
            "counts": {"judged": 2, "anomalies": 1, "missing": 1},
        }
    ],
}
SUGGESTIONS_ANSWER: dict[str, Any] = {
    "model": "next-word-en",
    "version": 1,
    "suggestions": [{"word": "the", "probability": 0.21}, {"word": "her", "probability": 0.12}],
}
CLASSIFY_ANSWER: dict[str, Any] = {
    "model": "digit-rows",
    "version": 1,
    "predictions": [{"label": "7", "probabilities": {"1": 0.02, "7": 0.98}}],
}
PREDICT_ANSWER: dict[str, Any] = {"model": "digit-rows", "version": 1, "predictions": CLASSIFY_ANSWER["predictions"]}
INFER_ANSWER: dict[str, Any] = {
    "model_name": "digit-rows",
    "model_version": "1",
    "id": "1",
    "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [1, 2], "data": [0.02, 0.98]}],
}

FORECAST = (
    Question("energy-load", "the next day from a week of hours", {"series": [_LOAD], "horizon": 24}),
    Question("share-price", "with covariates, the median only", {"series": [_SHARE], "quantiles": [0.5]}),
    Question("share-price", "explained: what moved it", {"series": [_SHARE], "explain": True}),
    Question("energy-load", "an interval of 80% and the quartiles", {"series": [_LOAD], "level": [80], "quantiles": [0.25, 0.5, 0.75]}),
    Question(
        "energy-load",
        "possible days and what they add up to",
        {"series": [_LOAD], "horizon": 24, "samples": 3, "seed": 1, "aggregate": "sum", "step_correlation": 0.6},
    ),
    Question("energy-load", "beyond the horizon it was trained for", {"series": [_LOAD], "horizon": 96, "extend": True}),
    Question(
        "energy-load",
        "two series as one batch",
        {"series": [{**_LOAD, "values": _LOAD["values"][:72]}, {**_LOAD, "id": "building-2", "values": [None, *_LOAD["values"][1:72]]}]},
    ),
)
ANOMALIES = (
    Question("energy-load", "an hour of the last day stands out", {"series": [_METERED], "last": 24}),
    Question("share-price", "two days of each forecast, an interval of 50%", {"series": [_SHARE], "level": 50, "ahead": 2}),
)
NEXT_WORD = (
    Question("next-word-en", "the next word", {"text": "the old prince looked at "}),
    Question("next-word-en", "the word being typed", {"text": "the old prince loo", "top_k": 3}),
    Question("next-word-en", "the next four words", {"text": "the old prince ", "top_k": 3, "words": 4}),
    Question("next-word-en", "drawn, and repeatable", {"text": "he said that ", "words": 8, "top_k": 2, "temperature": 0.8, "seed": 1}),
    Question(
        "next-word-en",
        "word by word, from the likelier ones, up to a full stop",
        {"text": "he said that ", "words": 12, "stream": True, "temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.2, "stop": ["."]},
    ),
)
CLASSIFY = (Question("digit-rows", "an image of a seven, row by row", {"sequences": [digit()]}),)
PREDICT = (
    Question("energy-load", "a series", {"instances": [_LOAD]}),
    Question("share-price", "a series with covariates", {"instances": [_SHARE]}),
    Question(
        "energy-load",
        "the next six hours of a series, with an interval of 80%",
        {"instances": [_LOAD], "parameters": {"horizon": 6, "level": [80]}},
    ),
    Question("next-word-en", "texts", {"instances": ["the old prince looked at ", "he said that "]}),
    Question("digit-rows", "a sequence", {"instances": [digit()]}),
)
INFER = (
    Question(
        "digit-rows",
        "an image as a tensor",
        {
            "id": "1",
            "inputs": [{"name": "sequence", "datatype": "FP32", "shape": [1, 28, 28], "data": [digit()]}],
            "outputs": [{"name": "probabilities"}],
        },
    ),
)
REPOSITORY_INDEX = (Question("energy-load", "what is ready", {"ready": True}),)
REPOSITORY_CHANGE = (Question("energy-load", "no parameters are needed", {}),)

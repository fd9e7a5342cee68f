"""The two artifacts as every peer runs them: one thread a session, as many requests at once as the peer hands over.

Needs numpy and onnxruntime, and no more, since it is imported in every peer's own environment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

FORECAST, NEXT_WORD = "bench-forecast", "bench-next-word"
OUTPUTS = {FORECAST: ("quantiles",), NEXT_WORD: ("top_ids", "top_log_probs")}
"""What is asked of each graph."""
MAX_BATCH = 32
"""Most requests that a peer runs at once, as many as Carousel's default."""

Json = dict[str, Any]
Array = NDArray[Any]


def load(name: str) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    """A session of the artifact in the folder that BENCH_MODELS names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    path = Path(os.environ["BENCH_MODELS"], name, "1", "model.onnx")
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def run(session: Any, name: str, inputs: dict[str, Array]) -> list[Array]:  # noqa: ANN401 - as above
    """The wanted outputs, rows on axis 0."""
    outputs: list[Array] = session.run(list(OUTPUTS[name]), inputs)
    return outputs


def forecasts(session: Any, series: Sequence[Json]) -> list[Json]:  # noqa: ANN401 - as above
    """The 24 values that follow each series, given as the typed route has them: `values` and `past`."""
    target = np.array([one["values"] for one in series], np.float32)
    past = np.array([list(one["past"].values()) for one in series], np.float32).transpose(0, 2, 1)
    (quantiles,) = run(session, FORECAST, {"target": target, "past": past})
    return [{"point": row} for row in quantiles[:, :, 0].tolist()]


def next_words(session: Any, tokens: Sequence[Sequence[int]]) -> list[Json]:  # noqa: ANN401 - as above
    """Of each text, given as ids, the ids of the best 5 words that follow and their log-probabilities."""
    state = np.zeros((len(tokens), 1, 256), np.float32)
    ids, log_probs = run(session, NEXT_WORD, {"tokens": np.array(tokens, np.int64), "state_h": state, "state_c": state})
    return [{"ids": best, "log_probs": scores} for best, scores in zip(ids.tolist(), log_probs.tolist(), strict=True)]

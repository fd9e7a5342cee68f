"""BentoML: `python -m benchmarks.serving.peers.bentoml.server PORT`.

Asynchronous methods, run one after another in its one worker: a thread for each call and its adaptive batches both take longer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bentoml

from benchmarks.serving.peers import graphs


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Graphs:
    """Both artifacts."""

    def __init__(self) -> None:
        """Load the sessions."""
        self.forecaster = graphs.load(graphs.FORECAST)
        self.next_worder = graphs.load(graphs.NEXT_WORD)

    @bentoml.api(route="/forecast")
    async def forecast(self, series: list[dict]) -> dict:
        """The forecast of one series."""
        return graphs.forecasts(self.forecaster, series)[0]

    @bentoml.api(route="/next-word")
    async def next_word(self, tokens: list[int]) -> dict:
        """The words behind one text."""
        return graphs.next_words(self.next_worder, [tokens])[0]


if __name__ == "__main__":
    command = ["bentoml", "serve", "benchmarks.serving.peers.bentoml.server:Graphs", "--host", "127.0.0.1", "--port", sys.argv[1]]
    os.execv(Path(sys.prefix, "bin", "bentoml"), [*command, "--do-not-track", "-q"])  # noqa: S606 - the server itself

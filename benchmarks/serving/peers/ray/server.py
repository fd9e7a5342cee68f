"""Ray Serve: `python -m benchmarks.serving.peers.ray.server PORT`.

With RAY_SERVE_ENABLE_HA_PROXY and RAY_SERVE_THROUGHPUT_OPTIMIZED in the environment it answers some ten times as many requests: HAProxy
passes them to the replicas then, instead of a proxy in Python.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import orjson
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.serving.peers import graphs

REPLICA = {"num_replicas": 1, "max_ongoing_requests": 100, "ray_actor_options": {"num_cpus": 0}}
BATCHES = {"max_batch_size": graphs.MAX_BATCH, "batch_wait_timeout_s": 0}


@serve.deployment(**REPLICA)
class Forecast:
    """One replica of the forecaster."""

    def __init__(self) -> None:
        """Load the session."""
        self.session = graphs.load(graphs.FORECAST)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        (series,) = orjson.loads(await request.body())["series"]
        return Response(orjson.dumps(await self.answers(series)), media_type="application/json")

    @serve.batch(**BATCHES)
    async def answers(self, series: list[graphs.Json]) -> list[graphs.Json]:
        """Those to requests that wait together."""
        return graphs.forecasts(self.session, series)


@serve.deployment(**REPLICA)
class NextWord:
    """One replica of the next-word model."""

    def __init__(self) -> None:
        """Load the session."""
        self.session = graphs.load(graphs.NEXT_WORD)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        tokens = orjson.loads(await request.body())["tokens"]
        return Response(orjson.dumps(await self.answers(tokens)), media_type="application/json")

    @serve.batch(**BATCHES)
    async def answers(self, tokens: list[list[int]]) -> list[graphs.Json]:
        """Those to requests that wait together."""
        return graphs.next_words(self.session, tokens)


if __name__ == "__main__":
    folder = Path(os.environ["BENCH_MODELS"]).parent / "ray"  # which is removed in the end
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _temp_dir=str(folder))
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config={"log_level": "ERROR", "enable_access_log": False}
    )
    serve.run(Forecast.bind(), name="forecast", route_prefix="/forecast")
    serve.run(NextWord.bind(), name="next-word", route_prefix="/next-word")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})

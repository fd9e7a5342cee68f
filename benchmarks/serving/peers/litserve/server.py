"""LitServe: `python -m benchmarks.serving.peers.litserve.server PORT`.

Each model has its own process, reached by the faster of its two queues. Batches pay for next words alone: while it gathers one, LitServe
looks into the queue again and again, which takes more of the machine than a forecast does.
"""

import sys
from typing import Any

import litserve

from benchmarks.serving.peers import graphs

BATCH, WINDOW_S = 16, 0.002


class Forecast(litserve.LitAPI):
    """One forecast at a time."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Load the session."""
        self.session = graphs.load(graphs.FORECAST)

    def decode_request(self, request) -> graphs.Json:  # noqa: ANN001 - a type would be taken for a model of the body
        """The series."""
        (series,) = request["series"]
        return series

    def predict(self, series: graphs.Json) -> graphs.Json:
        """Its forecast."""
        return graphs.forecasts(self.session, [series])[0]


class NextWord(litserve.LitAPI):
    """Next words in batches."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Load the session."""
        self.session = graphs.load(graphs.NEXT_WORD)

    def decode_request(self, request) -> list[int]:  # noqa: ANN001 - a type would be taken for a model of the body
        """The tokens."""
        return request["tokens"]

    def batch(self, inputs: list[list[int]]) -> list[list[int]]:
        """As they are: they are stacked where they are run."""
        return inputs

    def predict(self, tokens: list[list[int]]) -> list[graphs.Json]:
        """An answer for each."""
        return graphs.next_words(self.session, tokens)

    def unbatch(self, output: Any) -> Any:  # noqa: ANN401 - LitServe's signature
        """As they are."""
        return output


if __name__ == "__main__":
    apis = [Forecast(api_path="/forecast"), NextWord(api_path="/next-word", max_batch_size=BATCH, batch_timeout=WINDOW_S)]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="error", generate_client_file=False)

"""KServe: `python -m benchmarks.serving.peers.kserve.server PORT`. It does not batch: in a cluster a container beside it does."""

from __future__ import annotations

import logging
import sys

from kserve import Model, ModelServer

from benchmarks.serving.peers import graphs


class Graph(Model):
    """An artifact, asked in KServe's v1 protocol, the faster of its two."""

    def load(self) -> bool:
        """Load the session."""
        self.session = graphs.load(self.name)
        self.ready = True
        return self.ready

    async def predict(self, payload: graphs.Json, *_: object) -> graphs.Json:
        """An answer for each instance."""
        instances = payload["instances"]
        if self.name == graphs.FORECAST:
            return {"predictions": graphs.forecasts(self.session, instances)}
        return {"predictions": graphs.next_words(self.session, [instance["tokens"] for instance in instances])}


if __name__ == "__main__":
    models = [Graph(name) for name in graphs.OUTPUTS]
    for model in models:
        model.load()
    server = ModelServer(http_port=int(sys.argv[1]), workers=1, enable_grpc=False, enable_latency_logging=False, event_loop="uvloop")
    logging.disable(logging.INFO)
    server.start(models)

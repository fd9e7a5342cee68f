"""MLServer: `python -m benchmarks.serving.peers.mlserver.server PORT`.

In its own process, since every hop to a parallel worker costs more than these graphs. Batches cut its p99 by half; a longer window gains
nothing more.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import install_uvloop_event_loop

from benchmarks.serving.peers import graphs

WINDOW_S = 0.0002


class Graph(MLModel):
    """An artifact, asked with its tensors."""

    async def load(self) -> bool:
        """Load the session."""
        self.session = graphs.load(self.name)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The outputs for a batch of requests."""
        inputs = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        found = zip(graphs.OUTPUTS[self.name], graphs.run(self.session, self.name, inputs), strict=True)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output(name, array) for name, array in found])


async def main(port: int) -> None:
    """Serve until a signal."""
    settings = Settings(debug=False, host="127.0.0.1", http_port=port, grpc_port=0, metrics_port=0, parallel_workers=0)
    logging.disable(logging.INFO)
    models = [
        ModelSettings(name=name, implementation=Graph, max_batch_size=graphs.MAX_BATCH, max_batch_time=WINDOW_S) for name in graphs.OUTPUTS
    ]
    await MLServer(settings).start(models)


if __name__ == "__main__":
    install_uvloop_event_loop()
    asyncio.run(main(int(sys.argv[1])))

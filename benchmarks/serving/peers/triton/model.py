"""A model of Triton's Python backend: an artifact run by onnxruntime, the requests of a batch together.

Triton's Python asks neither a virtual environment nor PYTHONPATH: where packages and graphs.py lie, BENCH_PATHS says.
"""

from __future__ import annotations

import os
import sys
from typing import Any

sys.path[:0] = os.environ["BENCH_PATHS"].split(os.pathsep)

import numpy as np  # noqa: E402 - found by the line above
import triton_python_backend_utils as pb_utils  # noqa: E402 - as above

from benchmarks.serving.peers import graphs  # noqa: E402 - as above


class TritonPythonModel:
    """The name is Triton's."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the session."""
        self.name = args["model_name"]
        self.session = graphs.load(self.name)
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run the requests as one batch and take its outputs apart."""
        tensors = {name: [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests] for name in self.inputs}
        stacked = {name: np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for name, arrays in tensors.items()}
        outputs = graphs.run(self.session, self.name, stacked)
        ends = np.cumsum([len(array) for array in tensors[self.inputs[0]]])[:-1]
        parts = [np.split(array, ends) for array in outputs]
        names = graphs.OUTPUTS[self.name]
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in zip(names, arrays, strict=True)])
            for arrays in zip(*parts, strict=True)
        ]

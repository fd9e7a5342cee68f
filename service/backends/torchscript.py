"""Run model.torchscript.pt with torch. A TorchScript file is code: only one whose sha256 is in the manifest is loaded."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from service.backends.base import Device
from service.contract.golden import Tensors
from service.contract.int8 import Precision
from service.contract.manifest import ArtifactError
from service.contract.repository import TORCHSCRIPT, Artifact
from service.errors import StartupError

_LOADING = threading.Lock()
"""Held while Python's warning filters, which all threads share, are changed."""


@dataclass(slots=True)
class TorchScriptBackend:
    """A scripted module: `forward` takes the manifest's inputs and returns its outputs, both in the manifest's order."""

    module: torch.jit.ScriptModule | None
    inputs: list[str]
    outputs: list[str]
    device: str
    name: str = "torchscript"
    precision: Precision = "fp32"

    @classmethod
    def load(cls, artifact: Artifact, *, device: Device, threads: int) -> TorchScriptBackend:
        """Load the artifact's module; `threads` holds for the whole process.

        Raises:
            ArtifactError: the file is refused.
            StartupError: `cuda` was asked for and is not there.
        """
        taken = choose_device(device, cuda=torch.cuda.is_available())
        torch.set_num_threads(threads)
        module = _module(artifact.read(TORCHSCRIPT), taken)
        inputs = [spec.name for spec in artifact.manifest.inputs]
        return cls(module, inputs, [spec.name for spec in artifact.manifest.outputs], taken)

    def run(self, inputs: Tensors, outputs: Sequence[str] = ()) -> Tensors:
        """These outputs for these inputs, or every one of the manifest."""
        if self.module is None:
            raise RuntimeError("this backend is closed")
        # torch takes no read-only arrays, which is what a request's bytes are
        tensors = [torch.from_numpy(np.require(inputs[name], requirements="W")).to(self.device) for name in self.inputs]
        with torch.inference_mode():
            given = self.module(*tensors)
        answered = (given,) if isinstance(given, torch.Tensor) else given
        wanted = outputs or self.outputs
        return {name: tensor.cpu().numpy() for name, tensor in zip(self.outputs, answered, strict=True) if name in wanted}

    def close(self) -> None:
        """Free the module."""
        self.module = None


def choose_device(device: Device, *, cuda: bool) -> str:
    """Where to run, given whether torch sees a GPU.

    Raises:
        StartupError: `cuda` was asked for and torch sees none.
    """
    if device == "cuda" and not cuda:
        raise StartupError(
            "--device cuda, but torch sees no GPU: install a build of torch for this GPU's driver, or start with --device cpu"
        )
    return "cuda" if cuda and device != "cpu" else "cpu"


def _module(model: bytes, device: str) -> torch.jit.ScriptModule:
    with _LOADING, warnings.catch_warnings():
        # torch deprecates TorchScript as a whole; published artifacts hold it as long as torch loads it
        warnings.filterwarnings("ignore", message=r"`torch\.jit", category=DeprecationWarning)
        try:
            module: torch.jit.ScriptModule = torch.jit.load(io.BytesIO(model), map_location=device)  # type: ignore[no-untyped-call]  # torch's own gap
        except RuntimeError as error:
            raise ArtifactError(f"{TORCHSCRIPT} cannot be loaded by torch {torch.__version__}: export it again") from error
    module.eval()
    return module

"""What a server needs of whatever runs a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from service.contract.golden import Tensors
from service.contract.int8 import Precision

Device = Literal["auto", "cpu", "cuda"]
"""Where a graph is asked to run; `auto` takes a GPU when there is one."""

WantedPrecision = Literal["auto", "fp32", "int8"]
"""What a graph is asked to compute with; `auto` takes int8 where that pays."""


class Backend(Protocol):
    """A loaded graph. `run` may be called from several threads at the same time."""

    @property
    def name(self) -> str:
        """`onnx` or `torchscript`."""
        ...

    @property
    def device(self) -> str:
        """Where the graph runs: `cpu` or `cuda`."""
        ...

    @property
    def precision(self) -> Precision:
        """What the graph computes with."""
        ...

    def run(self, inputs: Tensors, outputs: Sequence[str] = ()) -> Tensors:
        """These outputs of the graph, or every one where none are named, batch on axis 0 of each; raises whatever the library raises."""
        ...

    def close(self) -> None:
        """Free what the graph holds; it is not run again."""
        ...

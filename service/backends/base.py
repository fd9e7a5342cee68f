"""What a server needs of whatever runs a graph."""

from __future__ import annotations

from typing import Literal, Protocol

from service.contract.golden import Tensors

Device = Literal["auto", "cpu", "cuda"]
"""Where a graph is asked to run; `auto` takes a GPU when there is one."""


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

    def run(self, inputs: Tensors) -> Tensors:
        """Every output of the graph for these inputs, batch on axis 0 of each; raises whatever the library raises."""
        ...

    def close(self) -> None:
        """Free what the graph holds; it is not run again."""
        ...

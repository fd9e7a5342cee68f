"""Where a sequence stands: the states before and after its last step, and of which graph they are."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from service.contract.golden import DTYPES, Tensors
from service.contract.manifest import Manifest
from service.contract.repository import ONNX

REVISION_BYTES = 16

Absence = Literal["unknown", "ended", "expired"]
"""Why a sequence stands nowhere."""


class Key(NamedTuple):
    """A sequence of a model, whichever of its versions it is of."""

    model: str
    sequence: str


def new_revision() -> str:
    """Text that no other standing has."""
    return secrets.token_hex(REVISION_BYTES)


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A sequence after its last step, the one with the number `steps` - 1, whose fingerprint is `last`.

    `before` and `after` are the states around that step, graph input -> (1, ...). `graph` is the sha256 of the ONNX file that they are of.
    One that has `ended` stays for a while so that its last step may be sent again, and has no `after`. Of two standings of one sequence
    each has a `revision` of its own.
    """

    model: str
    version: int
    graph: str
    steps: int
    last: str
    before: Tensors
    after: Tensors
    ended: bool = False
    revision: str = field(default_factory=new_revision)

    @property
    def bytes(self) -> int:
        """Of its states."""
        return sum(array.nbytes for array in (*self.before.values(), *self.after.values()))


def graph_of(manifest: Manifest) -> str:
    """By which a graph is known whatever runs it: its other formats compute the same."""
    return manifest.files[ONNX].sha256


def start_states(manifest: Manifest) -> Tensors:
    """The states of a sequence's start: zeros, (1, ...) each."""
    specs = {spec.name: spec for spec in manifest.inputs}
    return {name: np.zeros((1, *specs[name].shape[1:]), DTYPES[specs[name].datatype]) for name in manifest.state}


def next_states(manifest: Manifest, outputs: Tensors) -> Tensors:
    """The states to go on from, each a copy: an output may be a view of a whole batch."""
    return {name: outputs[output].copy() for name, output in manifest.state.items()}

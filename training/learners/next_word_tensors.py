"""Inputs and outputs of a next-word graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from service.contract.golden import Tensors
from service.contract.manifest import TensorSpec
from training.data.token_batches import Ids
from training.loop import device_of
from training.networks.next_word import NextWordModel, NextWordShape
from training.networks.recurrence import Recurrence

READ_BEFORE = 20
"""Tokens that lead to a state."""


def state_names(recurrence: Recurrence) -> tuple[str, ...]:
    """What the states are called as inputs."""
    return ("state_h", "state_c") if recurrence.cell == "lstm" else ("state_h",)


def zero_state(recurrence: Recurrence, rows: int) -> Tensors:
    """States in which texts begin."""
    return {name: np.zeros((rows, recurrence.layers, recurrence.hidden), np.float32) for name in state_names(recurrence)}


def stretches(network: NextWordModel, ids: Ids, sizes: Sequence[tuple[int, int]], *, seed: int) -> list[Tensors]:
    """Tokens of a stream, of each of `sizes` (rows, time), and the states in which `network` comes to them from a little before.

    In states that no text leads to a trained network may be so sensitive that the last digits of two runtimes part it.
    """
    generator = np.random.default_rng(seed)
    return [_stretch(network, ids, generator, rows=rows, time=time) for rows, time in sizes]


def _stretch(network: NextWordModel, ids: Ids, generator: np.random.Generator, *, rows: int, time: int) -> Tensors:
    starts = generator.integers(0, max(len(ids) - READ_BEFORE - time, 1), rows)
    tokens = np.stack([np.resize(ids[start : start + READ_BEFORE + time], READ_BEFORE + time) for start in starts])
    with torch.no_grad():
        _, state = network.read(torch.from_numpy(tokens[:, :READ_BEFORE]).to(device_of(network)), None)
    states = [part.transpose(0, 1).cpu().numpy().copy() for part in (state if isinstance(state, tuple) else (state,))]
    return {"tokens": tokens[:, READ_BEFORE:], **dict(zip(state_names(network.shape.recurrence), states, strict=True))}


def input_specs(recurrence: Recurrence) -> tuple[TensorSpec, ...]:
    """Tokens, and the state that they are read from."""
    size = (-1, recurrence.layers, recurrence.hidden)
    tokens = TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1), description="batch, time; ids of tokenizer.json")
    said = "batch, layers, hidden; 0 at a start"
    return (tokens, *(TensorSpec(name=name, datatype="FP32", shape=size, description=said) for name in state_names(recurrence)))


def output_specs(shape: NextWordShape, *, top_k: int, vectors: bool) -> tuple[TensorSpec, ...]:
    """Log-probabilities, the best words, the state after, and `vectors` for a pointer."""
    recurrence = shape.recurrence
    size = (-1, recurrence.layers, recurrence.hidden)
    states = (
        TensorSpec(name=f"next_{name}", datatype="FP32", shape=size, description="batch, layers, hidden")
        for name in state_names(recurrence)
    )
    width = shape.embedding or recurrence.hidden
    behind = TensorSpec(
        name="vectors", datatype="FP32", shape=(-1, -1, width), description="batch, time, width; behind each token, of length 1"
    )
    return (
        TensorSpec(name="log_probs", datatype="FP32", shape=(-1, shape.vocabulary), description="batch, vocabulary; natural logarithms"),
        TensorSpec(name="top_ids", datatype="INT64", shape=(-1, top_k), description="batch, best first; special tokens left out"),
        TensorSpec(name="top_log_probs", datatype="FP32", shape=(-1, top_k), description="batch, best first"),
        *states,
        *([behind] if vectors else []),
    )

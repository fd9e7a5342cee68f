"""What a run needs of a task, beyond the training loop's share of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from service.contract.golden import Tensors
from service.contract.int8 import Check
from service.contract.manifest import Data, Scores, Task
from training.config import RunConfig
from training.export import Graph, Run
from training.loop import Learner
from training.networks.recurrence import Recurrence
from training.pictures import Picture

Batch = TypeVar("Batch")

SCORING_BATCH = 256
"""Rows that are scored at once."""
MOST_CALIBRATION_ROWS = 5_000
TRIAL_BATCHES = (1, 7, 64)
"""Batch sizes on which exported graphs are compared with the network."""


class TaskLearner(Learner[Batch], Protocol[Batch]):
    """Data, network and measures of one run."""

    data: Data

    def finish(self) -> None:
        """What is left to do on the CPU once the weights are trained, before they are exported."""

    def task(self) -> Task:
        """The manifest's task."""

    def graph(self) -> Graph:
        """The trained network, on the CPU, as it is exported."""

    def trials(self) -> list[Tensors]:
        """Inputs of several batch sizes and lengths, taken from the data."""

    def goldens(self) -> list[Tensors]:
        """Inputs of the golden requests, taken from the held-out data."""

    def files(self) -> dict[str, str]:
        """Other files of the artifact: name -> text."""

    def score(self, run: Run) -> Scores:
        """Measure `run`, an exported graph, on the held-out data beside the naive baselines."""

    def calibration(self) -> Iterable[Tensors]:
        """Inputs from the training data that show how large what the network reads becomes."""

    def checks(self, run: Run, int8: Run) -> tuple[Check, ...]:
        """What `int8`, the exported graph in int8, must keep beside `run`, the one in fp32, measured on the data of the scores."""

    def pictures(self, run: Run) -> list[Picture]:
        """What is better seen than read."""

    def samples(self, run: Run) -> list[tuple[str, str]]:
        """Questions and answers to read."""


def recurrence_of(config: RunConfig) -> Recurrence:
    """The recurrent layers that a configuration asks for."""
    return Recurrence(config.cell, config.hidden, config.layers, config.dropout, config.cell_impl)


def copy_weights(source: nn.Module, target: nn.Module) -> nn.Module:
    """`target` on the CPU in evaluation mode with the weights of `source`, whose parameters have the same names and shapes."""
    target.load_state_dict({name: weight.detach().cpu() for name, weight in source.state_dict().items()})
    return target.eval()


def chunks(positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions in pieces that are run at once; none of them is empty where there are any."""
    return np.array_split(positions, max(-(-len(positions) // SCORING_BATCH), 1))

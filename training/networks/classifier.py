"""The sequence classifier: rows of raw numbers in, scores of labels out; scaling is part of the network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.networks.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class ClassifierShape:
    """Architecture of a sequence classifier."""

    recurrence: Recurrence
    features: int
    labels: int


class SequenceClassifier(nn.Module):
    """Sequences in raw units -> scores of the labels, read from the last output."""

    def __init__(self, shape: ClassifierShape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("centre", torch.zeros(1))
        self.register_buffer("scale", torch.ones(1))
        self.recurrent = shape.recurrence.build(shape.features)
        self.dropout = nn.Dropout(shape.recurrence.dropout)
        self.output = nn.Linear(shape.recurrence.hidden, shape.labels)

    def forward(self, sequence: Tensor) -> Tensor:
        """Logits (batch, labels) of `sequence` (batch, time, features)."""
        outputs, _ = self.recurrent((sequence - self.get_buffer("centre")) / self.get_buffer("scale"))  # (batch, time, hidden)
        scores: Tensor = self.output(self.dropout(outputs[:, -1]))
        return scores


class ClassifierGraph(nn.Module):
    """A classifier that answers probabilities."""

    def __init__(self, network: SequenceClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, sequence: Tensor) -> Tensor:
        """Probabilities (batch, labels)."""
        return torch.softmax(self.network(sequence), dim=-1)

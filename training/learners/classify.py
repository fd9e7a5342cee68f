"""Learning to classify: labelled sequences -> probabilities of the labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from service.contract.golden import Tensors
from service.contract.int8 import Check
from service.contract.manifest import ClassifyTask, Scores, TensorSpec
from training.config import ClassifyConfig
from training.data.sequences import Labelled, SequenceData
from training.export import Graph, Run
from training.learners.base import MOST_CALIBRATION_ROWS, TRIAL_BATCHES, chunks, copy_weights, recurrence_of
from training.learners.int8_checks import classify_checks
from training.loop import device_of
from training.metrics import accuracy, confusion_matrix
from training.networks.classifier import ClassifierGraph, ClassifierShape, SequenceClassifier
from training.pictures import Picture, confusion_plot

LabelledBatch = tuple[Tensor, Tensor]
"""Sequences (batch, time, features) and labels (batch,) on the network's device."""


class ClassifyLearner:
    """A classifier and the sequences it learns from."""

    def __init__(self, config: ClassifyConfig, sequences: SequenceData) -> None:
        """Draws the network's first weights from torch's global generator."""
        self.config = config
        self.sequences = sequences
        self.data = sequences.data
        features = sequences.train.sequences.shape[2]
        network = SequenceClassifier(ClassifierShape(recurrence_of(config), features, len(sequences.label_names)))
        if config.scaling == "standard":
            network.get_buffer("centre").fill_(float(sequences.train.sequences.mean()))
            network.get_buffer("scale").fill_(float(sequences.train.sequences.std()) or 1.0)
        self.network: nn.Module = network
        self.steps_per_epoch = max(len(sequences.train.labels) // config.batch, 1)

    def batches(self, generator: np.random.Generator) -> Iterator[LabelledBatch]:
        """Sequences in random order; what does not fill the last batch is left for another epoch."""
        order = generator.permutation(len(self.sequences.train.labels))
        for step in range(self.steps_per_epoch):
            yield self._tensors(self.sequences.train, order[step * self.config.batch : (step + 1) * self.config.batch])

    def loss(self, network: nn.Module, batch: LabelledBatch) -> Tensor:
        """Cross-entropy of the labels."""
        sequences, labels = batch
        return F.cross_entropy(network(sequences), labels)

    def validation_loss(self, network: nn.Module) -> float:
        """Mean cross-entropy over the validation sequences."""
        split = self.sequences.validation
        with torch.no_grad():
            pieces = chunks(np.arange(len(split.labels)))
            losses = [self.loss(network, self._tensors(split, piece)).item() for piece in pieces]
        return float(np.average(losses, weights=[len(piece) for piece in pieces]))

    def finish(self) -> None:
        """Nothing."""

    def task(self) -> ClassifyTask:
        """What the classifier takes and gives."""
        time, features = self.sequences.train.sequences.shape[1:]
        return ClassifyTask(labels=self.sequences.label_names, features=features, length=time)

    def graph(self) -> Graph:
        """The classifier on torch.nn's kernels, with probabilities."""
        shape = self._shape
        copied = copy_weights(self.network, SequenceClassifier(replace(shape, recurrence=shape.recurrence.fused())))
        assert isinstance(copied, SequenceClassifier)  # noqa: S101 - tells mypy
        sequence = TensorSpec(
            name="sequence", datatype="FP32", shape=(-1, -1, shape.features), description="batch, time, features; raw units"
        )
        labels = ", ".join(self.sequences.label_names)
        probabilities = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, shape.labels), description=f"batch, labels {labels}")
        return Graph(ClassifierGraph(copied).eval(), (sequence,), (probabilities,))

    def trials(self) -> list[Tensors]:
        """Training sequences, whole, cut and repeated."""
        rows = np.arange(max(TRIAL_BATCHES)) % len(self.sequences.train.labels)
        whole = self.sequences.train.sequences[rows]
        time = whole.shape[1]
        long = np.concatenate([whole, whole], axis=1)
        return [{"sequence": long[:batch, :length]} for batch in TRIAL_BATCHES for length in (time, 1, max(time // 2, 1), time + 3)]

    def goldens(self) -> list[Tensors]:
        """Two test sequences, each alone."""
        return [{"sequence": self.sequences.test.sequences[row : row + 1]} for row in (0, len(self.sequences.test.labels) - 1)]

    def files(self) -> dict[str, str]:
        """None: a classifier is its graph and its manifest."""
        return {}

    def score(self, run: Run) -> Scores:
        """Accuracy on the test sequences, beside always answering the commonest label."""
        labels = self.sequences.test.labels
        probabilities = self._probabilities(run)
        likelihood = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1)
        majority = int(np.bincount(self.sequences.train.labels).argmax())
        model = {"accuracy": accuracy(labels, probabilities.argmax(axis=1)), "cross_entropy": float(-np.log(likelihood).mean())}
        baselines = {"majority_class": {"accuracy": accuracy(labels, np.full(len(labels), majority))}}
        rival = baselines["majority_class"]["accuracy"]
        beats = model["accuracy"] > rival
        note = (
            ""
            if beats
            else f"Hard to beat: always the commonest label is right {rival:.2%} of the time, the model {model['accuracy']:.2%}."
        )
        return Scores(split=f"{len(labels)} held-out sequences", model=model, baselines=baselines, beats_naive=beats, note=note)

    def calibration(self) -> Iterable[Tensors]:
        """Training sequences."""
        rows = np.arange(min(len(self.sequences.train.labels), MOST_CALIBRATION_ROWS))
        return ({"sequence": self.sequences.train.sequences[piece]} for piece in chunks(rows))

    def checks(self, run: Run, int8: Run) -> tuple[Check, ...]:
        """The accuracy that is lost."""
        return classify_checks(self._probabilities(run), self._probabilities(int8), labels=self.sequences.test.labels)

    def pictures(self, run: Run) -> list[Picture]:
        """The confusion matrix of the test sequences."""
        found = self._probabilities(run).argmax(axis=1)
        names = self.sequences.label_names
        return [confusion_plot(confusion_matrix(self.sequences.test.labels, found, len(names)), names)]

    def samples(self, run: Run) -> list[tuple[str, str]]:  # noqa: ARG002 - the confusion matrix says more
        """None."""
        return []

    @property
    def _shape(self) -> ClassifierShape:
        assert isinstance(self.network, SequenceClassifier)  # noqa: S101 - tells mypy; this learner builds no other
        return self.network.shape

    def _probabilities(self, run: Run) -> NDArray[np.float32]:
        test = self.sequences.test
        return np.concatenate([run({"sequence": test.sequences[piece]})["probabilities"] for piece in chunks(np.arange(len(test.labels)))])

    def _tensors(self, split: Labelled, positions: NDArray[np.int64]) -> LabelledBatch:
        device = device_of(self.network)
        return torch.from_numpy(split.sequences[positions]).to(device), torch.from_numpy(split.labels[positions]).to(device)

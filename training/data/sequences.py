"""Labelled sequences -> a training, a validation and a test split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import Data
from training.config import ClassifyConfig
from training.data.files import DataError, fingerprint, open_data, source_name
from training.data.sequence_files import SequenceFile, read_sequence_file

Values = NDArray[np.float32]
Labels = NDArray[np.int64]


MNIST_FILES = {
    "data": "train-images-idx3-ubyte",
    "labels": "train-labels-idx1-ubyte",
    "test_data": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
"""Setting -> name of the file, as MNIST and its successors name them."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Sequences (n, time, features), raw units, and the position of each one's label among the names, (n,)."""

    sequences: Values
    labels: Labels

    def take(self, which: NDArray[np.int64]) -> Labelled:
        """The sequences at these positions."""
        return Labelled(self.sequences[which], self.labels[which])


@dataclass(frozen=True, slots=True)
class SequenceData:
    """Sequences in three splits, and the names of their labels."""

    train: Labelled
    validation: Labelled
    test: Labelled
    label_names: tuple[str, ...]
    data: Data


def read_sequences(config: ClassifyConfig, *, echo: Callable[[str], None]) -> SequenceData:
    """Read labelled sequences; `data` may be a folder of the four MNIST files.

    Validation and test are shares of each label, drawn by the seed; a test file leaves only validation to draw.

    Where a share is 0, the training sequences serve for validation, the validation sequences for the scores.

    Raises:
        DataError: files that cannot be used, or labels of too few sequences to split.
    """
    config = _in_mnist_folder(config)
    sources = [source for source in (config.data, config.labels, config.test_data, config.test_labels) if source is not None]
    given = _read(config.data, config.labels, config)
    names = _label_names(given.labels, config.label_names, source_name(config.data))
    whole = _labelled(given, names, source_name(config.data))
    held_out = None
    if config.test_data is not None:
        held_out = _labelled(_read(config.test_data, config.test_labels, config), names, source_name(config.test_data))
        if held_out.sequences.shape[1:] != whole.sequences.shape[1:]:
            sizes = " and ".join(f"{one.sequences.shape[1]} x {one.sequences.shape[2]}" for one in (whole, held_out))
            raise DataError(
                f"sequences of {source_name(config.data)} and {source_name(config.test_data)} are {sizes}: give files of one size"
            )
    train, validation, test = _split(whole, held_out, config)
    count, (time, features) = len(whole.labels) + (len(held_out.labels) if held_out else 0), whole.sequences.shape[1:]
    parts = f"{len(train.labels)} train, {len(validation.labels)} validation, {len(test.labels)} test"
    description = f"{count} sequences of {time} rows of {features}, {len(names)} labels; {parts}"
    echo(f"{source_name(config.data)}: {description}")
    data = Data(
        source=", ".join(map(source_name, sources)),
        sha256=fingerprint(map(open_data, sources)),
        rows=count,
        description=description,
        licence=config.licence,
    )
    return SequenceData(train, validation, test, names, data)


def _in_mnist_folder(config: ClassifyConfig) -> ClassifyConfig:
    """The configuration with the four files of a folder named as MNIST names them, compressed or not, when `data` is a folder."""
    folder = Path(config.data)
    if not folder.is_dir():
        return config
    found = {}
    for setting, name in MNIST_FILES.items():
        paths = [folder / f"{name}{ending}" for ending in ("", ".gz")]
        there = next((path for path in paths if path.is_file()), None)
        if there is None:
            raise DataError(
                f"{folder} has no {paths[0].name} or {paths[1].name}: give the path of a file, or a folder of the four MNIST files"
            )
        found[setting] = str(there)
    return config.model_copy(update=found)


def _read(source: str, labels: str | None, config: ClassifyConfig) -> SequenceFile:
    labels_path = None if labels is None else open_data(labels)
    return read_sequence_file(open_data(source), labels_path, label=config.label, rows=config.rows)


def _label_names(labels: NDArray[np.str_], names: tuple[str, ...], file: str) -> tuple[str, ...]:
    """The names given, or the labels themselves, whole numbers in their order."""
    found = np.unique(labels).tolist()
    if len(found) < 2:
        raise DataError(f"{file}: every label is {found[0]!r}: a classifier needs at least two")
    if names:
        return names
    return tuple(sorted(found, key=int) if all(_is_whole(label) for label in found) else found)


def _labelled(given: SequenceFile, names: tuple[str, ...], file: str) -> Labelled:
    """Labels as positions among the names: by the name itself, or where none matches, whole numbers from 0 on are positions already."""
    found = np.unique(given.labels).tolist()
    position = {name: number for number, name in enumerate(names)}
    if not any(label in position for label in found):
        position = {str(number): number for number in range(len(names))}
    stranger = next((label for label in found if label not in position), None)
    if stranger is not None:
        row = int(np.flatnonzero(given.labels == stranger)[0]) + 1
        raise DataError(
            f"{file}: label {stranger!r} of sequence {row} is none of {', '.join(names)}: correct it, or name it (--label-names)"
        )
    codes = {label: position[label] for label in found}
    return Labelled(given.sequences, np.array([codes[label] for label in given.labels.tolist()], np.int64))


def _split(whole: Labelled, held_out: Labelled | None, config: ClassifyConfig) -> tuple[Labelled, Labelled, Labelled]:
    generator = np.random.default_rng(config.seed)
    parts: tuple[list[Labels], list[Labels], list[Labels]] = ([], [], [])
    for label in np.unique(whole.labels):
        drawn = generator.permutation(np.flatnonzero(whole.labels == label))
        test = 0 if held_out else round(len(drawn) * config.test)
        validation = round(len(drawn) * config.validation)
        for part, piece in zip(parts, np.split(drawn, [len(drawn) - test - validation, len(drawn) - test]), strict=True):
            part.append(piece)
    train, validating, testing = (np.sort(np.concatenate(part)) for part in parts)
    if (config.validation and not len(validating)) or (config.test and not held_out and not len(testing)):
        raise DataError(f"{len(whole.labels)} sequences are too few for the shares of validation and test: give more, or shares of 0")
    trained = whole.take(train) if len(train) < len(whole.labels) else whole
    validated = whole.take(validating) if len(validating) else trained
    return trained, validated, held_out or (whole.take(testing) if len(testing) else validated)


def _is_whole(label: str) -> bool:
    return label.removeprefix("-").isascii() and label.removeprefix("-").isdigit()

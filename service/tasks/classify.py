"""Classification: a sequence of feature rows -> a label and the probability of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ClassifyTask
from service.tasks.dialogue import Dialogue, QuestionError, Step

Rows = NDArray[np.float32]

MAX_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Classification:
    """The likeliest label and every label's probability."""

    label: str
    probabilities: dict[str, float]


def classify(task: ClassifyTask, sequences: Sequence[Rows]) -> Dialogue[list[Classification]]:
    """Label each sequence (time, features); those of one length are one batch, so no padding can change an answer.

    Raises:
        QuestionError: a sequence of the wrong width or length.
    """
    for position, sequence in enumerate(sequences):
        _check(task, sequence, position)
    by_length: dict[int, list[int]] = {}
    for position, sequence in enumerate(sequences):
        by_length.setdefault(len(sequence), []).append(position)
    answers: dict[int, Classification] = {}
    for positions in by_length.values():
        outputs = yield Step({"sequence": np.stack([sequences[position] for position in positions])})
        for position, probabilities in zip(positions, outputs["probabilities"], strict=True):
            answers[position] = _decode(task, probabilities)
    return [answers[position] for position in range(len(sequences))]


def rows(sequence: Sequence[Sequence[float]], *, features: int, position: int) -> Rows:
    """Nested numbers as float32 (time, features).

    Raises:
        QuestionError: a row of another width, or a number beyond float32's range.
    """
    for number, row in enumerate(sequence):
        if len(row) != features:
            raise QuestionError(f"{len(row)} numbers in a row: this model takes {features}", where=("sequences", position, number))
    with np.errstate(over="ignore"):
        array = np.array(sequence, np.float32).reshape(len(sequence), features)
    beyond = np.argwhere(~np.isfinite(array))
    if beyond.size:
        row_number, column = (int(index) for index in beyond[0])
        raise QuestionError("not a finite 32-bit float", where=("sequences", position, row_number, column))
    return array


def _check(task: ClassifyTask, sequence: Rows, position: int) -> None:
    where = ("sequences", position)
    if sequence.ndim != 2 or sequence.shape[1] != task.features:
        raise QuestionError(f"shape {sequence.shape}: this model takes rows of {task.features} numbers", where=where)
    if task.length is not None and len(sequence) != task.length:
        raise QuestionError(f"{len(sequence)} rows: this model takes {task.length}", where=where)
    if not 1 <= len(sequence) <= MAX_ROWS:
        raise QuestionError(f"{len(sequence)} rows: a sequence has 1 to {MAX_ROWS}", where=where)


def _decode(task: ClassifyTask, probabilities: NDArray[np.generic]) -> Classification:
    by_label = dict(zip(task.labels, probabilities.tolist(), strict=True))
    return Classification(task.labels[int(probabilities.argmax())], by_label)

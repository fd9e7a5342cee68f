from __future__ import annotations

import numpy as np
import pytest

from service.contract.golden import Tensors
from service.contract.manifest import ClassifyTask
from service.tasks.classify import MAX_ROWS, classify, rows
from service.tasks.dialogue import QuestionError, converse
from tests import artifacts

TINY = artifacts.classifier()
TASK = TINY.task
assert isinstance(TASK, ClassifyTask)
IMAGE_TASK = TASK.model_copy(update={"length": 2})


def sequence(*rows_: list[float]) -> np.ndarray:
    return np.array(rows_, np.float32)


def test_a_sequence_gets_its_likeliest_label_and_every_probability():
    [answer] = converse(classify(TASK, [sequence([0, 3, 0], [0, 1, 1])]), TINY.run)

    assert answer.label == "one"
    assert answer.probabilities == pytest.approx({"zero": 0.017148, "one": 0.936240, "two": 0.046613}, abs=1e-5)


def test_sequences_of_one_length_are_one_batch_and_answers_keep_their_order():
    asked: list[tuple[int, ...]] = []

    def run(inputs: Tensors) -> Tensors:
        asked.append(inputs["sequence"].shape)
        return TINY.run(inputs)

    sequences = [sequence([9, 0, 0]), sequence([0, 9, 0], [0, 0, 0]), sequence([0, 0, 9])]
    answers = converse(classify(TASK, sequences), run)

    assert [answer.label for answer in answers] == ["zero", "one", "two"]
    assert asked == [(2, 1, 3), (1, 2, 3)]


def test_no_sequence_gets_no_answer():
    assert converse(classify(TASK, []), TINY.run) == []


@pytest.mark.parametrize(
    ("task", "wrong", "message"),
    [
        (TASK, np.zeros((2, 4), np.float32), r"shape \(2, 4\): this model takes rows of 3 numbers"),
        (TASK, np.zeros(3, np.float32), r"shape \(3,\): this model takes rows of 3 numbers"),
        (TASK, np.zeros((0, 3), np.float32), "0 rows: a sequence has 1 to 100000"),
        (TASK, np.zeros((MAX_ROWS + 1, 3), np.float32), "100001 rows: a sequence has 1 to 100000"),
        (IMAGE_TASK, np.zeros((3, 3), np.float32), "3 rows: this model takes 2"),
    ],
)
def test_a_sequence_of_another_shape_is_refused_with_its_place(task: ClassifyTask, wrong: np.ndarray, message: str):
    with pytest.raises(QuestionError, match=message) as refusal:
        converse(classify(task, [np.zeros((2, 3), np.float32), wrong]), TINY.run)

    assert refusal.value.where == ("sequences", 1)


def test_nested_numbers_become_rows():
    found = rows([[1, 2, 3], [4, 5, 6]], features=3, position=0)

    assert found.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.dtype == np.float32
    assert rows([], features=3, position=0).shape == (0, 3)


@pytest.mark.parametrize(
    ("wrong", "message", "where"),
    [
        ([[1, 2, 3], [1, 2]], "2 numbers in a row: this model takes 3", ("sequences", 7, 1)),
        ([[1, 2, 3], [1, 2, 1e39]], "not a finite 32-bit float", ("sequences", 7, 1, 2)),
        ([[1, float("nan"), 3]], "not a finite 32-bit float", ("sequences", 7, 0, 1)),
    ],
)
def test_wrong_numbers_are_refused_with_their_place(wrong: list[list[float]], message: str, where: tuple[str | int, ...]):
    with pytest.raises(QuestionError, match=message) as refusal:
        rows(wrong, features=3, position=7)

    assert refusal.value.where == where

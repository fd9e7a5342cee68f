"""What every task is: a dialogue with a graph.

A task is a generator. It yields steps, which say what the graph is to be run on, is sent what the graph answered, and returns the
answer in the user's terms. It does no input or output and knows no HTTP: a server drives it with awaits, offline scoring with a loop, a
test by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from service.contract.golden import Tensors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One run of the graph: its inputs, and the outputs that are looked at; all of them where none are named."""

    inputs: Tensors
    outputs: tuple[str, ...] = ()


Dialogue = Generator[Step, Tensors, T]
"""Yields steps, is sent graph outputs, returns the answer."""
Where = tuple[str | int, ...]
"""Path to a part of a question, in the caller's own terms."""


class QuestionError(ValueError):
    """A question that this model cannot answer; `where` leads to the part that is wrong, in the caller's own terms."""

    def __init__(self, message: str, *, where: Where = ()) -> None:
        """`message` says what is wrong and what the model takes."""
        super().__init__(message)
        self.message = message
        self.where = where


def converse(dialogue: Dialogue[T], run: Callable[[Tensors], Tensors]) -> T:
    """Drive a dialogue to its answer with a graph that answers at once.

    Raises:
        QuestionError: the model cannot answer this question.
    """
    try:
        step = next(dialogue)
        while True:
            step = dialogue.send(run(step.inputs))
    except StopIteration as end:
        answer: T = end.value
        return answer

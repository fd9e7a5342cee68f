from __future__ import annotations

import numpy as np
import pytest

from service.contract.golden import Tensors
from service.tasks.dialogue import Dialogue, QuestionError, Step, converse


def twice(value: float) -> Dialogue[float]:
    once = yield Step({"x": np.array([value])})
    again = yield Step({"x": once["x"]})
    return float(again["x"][0])


def double(inputs: Tensors) -> Tensors:
    return {"x": inputs["x"] * 2}


def refuse() -> Dialogue[None]:
    yield from ()
    raise QuestionError("too short", where=("series", 0))


def test_a_conversation_goes_on_until_the_answer():
    assert converse(twice(3.0), double) == 12.0


def test_a_question_that_cannot_be_answered_says_where_it_is_wrong():
    with pytest.raises(QuestionError, match="too short") as refusal:
        converse(refuse(), double)

    assert refusal.value.message == "too short"
    assert refusal.value.where == ("series", 0)

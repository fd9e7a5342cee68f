from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.contract.manifest import ArtifactError, ForecastTask
from service.contract.signature import check_signature
from service.contract.static_column import StaticColumn
from tests import artifacts

STORE = StaticColumn(name="store", categories=("north", "south"))


def test_categories_have_the_codes_1_2_and_on_and_any_other_text_0():
    assert [STORE.code(text) for text in ("north", "south", " south ", "South", "", "west")] == [1, 2, 2, 0, 0, 0]
    assert [STORE.text(code) for code in (0, 1, 2)] == ["", "north", "south"]


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([], "at least 1 item"),
        (["north", "south", "north"], "two categories of 'store' are the same"),
        (["north", ""], "texts of 1 to 200 characters"),
        ([" north"], "without blanks around them"),
        (["n" * 201], "texts of 1 to 200 characters"),
        ([str(number) for number in range(10_001)], "at most 10000 items"),
    ],
)
def test_categories_that_could_not_be_told_apart_or_are_too_many_are_refused(categories: list[str], message: str):
    with pytest.raises(ValidationError, match=message):
        StaticColumn(name="store", categories=tuple(categories))


def test_two_columns_of_one_name_are_refused():
    task = artifacts.forecaster().task.model_dump()
    with pytest.raises(ValidationError, match="two static columns have the same name"):
        ForecastTask.model_validate({**task, "static": [STORE, STORE]})


def test_a_graph_must_take_the_static_columns_that_its_task_has():
    tiny = artifacts.forecaster()
    manifest = artifacts.manifest(tiny, "load", 1).model_copy(update={"task": tiny.task.model_copy(update={"static": (STORE,)})})
    with pytest.raises(ArtifactError, match="takes static, target, not target"):
        check_signature(manifest)

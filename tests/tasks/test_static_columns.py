"""Static columns of a series, from a question to the graph, with a graph whose answer is the code that it is fed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from service.contract.golden import Tensors
from service.contract.manifest import ForecastTask
from service.contract.static_column import StaticColumn
from service.tasks.anomalies import anomalies
from service.tasks.dialogue import QuestionError, converse
from service.tasks.explain import Effect, explain
from service.tasks.forecast import History, encode, forecast
from service.tasks.forecast_batch import encode_panel
from service.tasks.panel import Panel

TASK = ForecastTask(
    target="load",
    horizon=3,
    context=6,
    min_context=2,
    frequency="D",
    quantiles=(0.1, 0.5, 0.9),
    static=(StaticColumn(name="store", categories=("north", "south")), StaticColumn(name="size", categories=("large", "small"))),
)


def history(store: str, size: str = "large", *, length: int = 8) -> History:
    return History(np.arange(length, dtype=np.float32), static={"store": store, "size": size})


def codes(inputs: Tensors) -> Tensors:
    """Ten times the store's code and the size's, one less and one more."""
    assert inputs["static"].dtype == np.int64
    middle = (inputs["static"] @ np.array([10, 1])).astype(np.float32)
    return {"quantiles": np.tile(middle[:, np.newaxis, np.newaxis] + np.array([-1, 0, 1], np.float32), (1, 3, 1))}


def test_texts_become_codes_and_what_is_not_known_0():
    inputs = encode(TASK, [history("south", "small"), history("north", "tiny"), history(" south ", "")], horizon=3)

    assert inputs["static"].tolist() == [[2, 2], [1, 0], [2, 0]]
    assert encode(TASK, [history("south")], horizon=3)["static"].tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("static", "message", "where"),
    [
        ({}, "static column 'store' is missing: this model takes store, size here", ("series", 0, "static")),
        ({"store": "north"}, "static column 'size' is missing: this model takes store, size here", ("series", 0, "static")),
        (
            {"store": "north", "size": "small", "region": "x"},
            "unknown static column 'region': this model takes store, size here",
            ("series", 0, "static", "region"),
        ),
    ],
)
def test_a_column_that_is_missing_or_unknown_is_named(static: dict[str, str], message: str, where: tuple[object, ...]):
    with pytest.raises(QuestionError) as raised:
        encode(TASK, [replace(history("north"), static=static)], horizon=3)
    assert (raised.value.message, raised.value.where) == (message, where)


def test_a_model_without_static_columns_says_so():
    with pytest.raises(QuestionError, match="unknown static column 'store': this model takes none here"):
        encode(TASK.model_copy(update={"static": ()}), [history("north")], horizon=3)


def test_every_block_of_a_rolled_forecast_has_the_columns():
    first, second = converse(forecast(TASK, [history("north"), history("south", "small")], horizon=7, extend=True), codes)
    assert first.point.tolist() == [11.0] * 7
    assert second.point.tolist() == [22.0] * 7


def test_every_origin_of_a_series_has_its_columns():
    found = converse(anomalies(TASK, [history("north"), history("south", "small", length=5)], ahead=2), codes)
    assert [set(one.point[~np.isnan(one.point)].tolist()) for one in found.series] == [{11.0}, {22.0}]


def test_a_column_is_explained_by_what_an_unknown_text_would_change():
    [found] = converse(explain(TASK, [history("south", "small")]), codes)
    assert found.covariates == {"store": Effect(20.0, 20.0), "size": Effect(2.0, 2.0)}


def panel(*static: tuple[list[int], list[int]]) -> Panel:
    """Series of three days with these codes of store and size."""
    times = np.tile(np.datetime64("2026-01-01", "s") + np.arange(3) * np.timedelta64(1, "D"), len(static))
    columns = {name: np.concatenate([own[place] for own in static]) for place, name in enumerate(("store", "size"))}
    return Panel(np.arange(len(static) + 1) * 3, times, np.arange(3.0 * len(static)), static=columns)


def test_of_many_series_each_has_the_codes_of_its_rows_and_one_with_two_texts_is_refused():
    found = encode_panel(TASK, panel(([2, 2, 2], [1, 0, 1]), ([1, 1, 2], [1, 1, 1]), ([0, 0, 0], [2, 2, 2])), horizon=3)

    assert found.kept.tolist() == [0, 2]
    assert found.inputs["static"].tolist() == [[2, 1], [0, 2]]
    assert found.inputs["static"].dtype == np.int64
    assert found.refused == {1: "'north' and 'south' in column 'store': a series has one text there: correct it"}

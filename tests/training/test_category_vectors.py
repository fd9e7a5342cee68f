from __future__ import annotations

import pytest
import torch

from training.networks.categories import CategoryVectors, vector_width
from training.networks.forecaster import Forecaster, ForecastGraph
from training.networks.forecaster_shape import ForecasterShape
from training.networks.recurrence import Recurrence


@pytest.mark.parametrize(("categories", "width"), [(1, 1), (2, 2), (9, 3), (10, 4), (256, 16), (10_000, 16)])
def test_vectors_grow_with_the_square_root_of_the_categories(categories: int, width: int):
    assert vector_width(categories) == width


def test_the_vectors_of_the_columns_stand_side_by_side():
    vectors = CategoryVectors((2, 9)).eval()
    found = vectors(torch.tensor([[2, 1], [1, 1]]))
    assert found.shape == (2, 5)
    assert torch.equal(found[0, 2:], found[1, 2:])
    assert not torch.equal(found[0, :2], found[1, :2])


@pytest.mark.parametrize("code", [3, -1, 2**40])
def test_a_code_out_of_range_is_that_of_the_unknown(code: int):
    vectors = CategoryVectors((2,)).eval()
    assert torch.equal(vectors(torch.tensor([[code]])), vectors(torch.tensor([[0]])))


def test_in_training_a_twentieth_of_the_codes_is_unknown():
    torch.manual_seed(0)
    vectors = CategoryVectors((4,))
    dropped = (vectors(torch.full((10_000, 1), 3)) == vectors.tables[0].weight[0]).all(dim=1)
    assert 0.04 < dropped.float().mean() < 0.06


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_graph_takes_its_inputs_in_order_those_it_has_not_left_out(head: str):
    torch.manual_seed(0)
    shape = {"recurrence": Recurrence("gru", 4), "context": 6, "horizon": 3, "levels": (0.1, 0.5, 0.9), "bases": (1,), "head": head}
    target, past, future, static = torch.randn(2, 6), torch.randn(2, 6, 1), torch.randn(2, 9, 2), torch.tensor([[1], [2]])
    for columns, given in (
        ({"past": 1, "known": 2, "static": (2,)}, (past, future, static)),
        ({"past": 1, "static": (2,)}, (past, static)),
        ({"known": 2, "static": (2,)}, (future, static)),
        ({"static": (2,)}, (static,)),
        ({"known": 2}, (future,)),
    ):
        network = Forecaster(ForecasterShape(**shape, **columns)).eval()
        with torch.no_grad():  # as if trained: the head no longer at zero
            network.members[0].step_head[-1].weight.uniform_(-1, 1)
        named = {"past": past if "past" in columns else None, "future": future if "known" in columns else None}
        expected = network(target, **named, static=static if "static" in columns else None)
        assert torch.equal(ForecastGraph(network)(target, *given), expected)

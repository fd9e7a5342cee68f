"""What is dropped while a next-word model is trained, and the loss that it is trained by."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training.networks.layers import run_dropping
from training.networks.locked import LockedDropout, drop_words
from training.networks.next_word import NextWordModel, NextWordShape
from training.networks.output_loss import ROWS_AT_ONCE, drawing_chances, output_loss, sampled_loss
from training.networks.recurrence import Recurrence

CELLS = [(cell, impl) for cell in ("lstm", "gru", "rnn") for impl in ("torch", "equations")]


def doubles(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_the_same_columns_of_a_row_are_dropped_at_all_its_steps():
    torch.manual_seed(0)
    found = LockedDropout(0.5)(torch.ones(3, 7, 40))
    assert set(found.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert not torch.equal(found[0], found[1])


def test_nothing_is_dropped_in_evaluation():
    x = torch.randn(3, 7, 40)
    assert LockedDropout(0.5).eval()(x) is x
    assert LockedDropout(0.0)(x) is x


def test_a_dropped_word_is_dropped_wherever_it_stands():
    torch.manual_seed(0)
    tokens = torch.tensor([[0, 1, 2, 1], [3, 1, 0, 0]])
    found = drop_words(torch.ones(2, 4, 3), tokens, vocabulary=4, share=0.5)
    of_words = {int(token): found[tokens == token] for token in tokens.unique()}
    assert all((own == own[0, 0]).all() for own in of_words.values())
    assert {float(own[0, 0]) for own in of_words.values()} == {0.0, 2.0}


@pytest.mark.parametrize(("cell", "impl"), CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_layers_that_drop_nothing_give_what_the_layers_give_with_the_same_gradients(cell, impl, layers):
    torch.manual_seed(0)
    recurrence = Recurrence(cell, 6, layers, impl=impl)
    network = recurrence.build(5).double()
    x, h = doubles(3, 9, 5), doubles(layers, 3, 6)
    state = (h, -h) if cell == "lstm" else h
    expected = network(x, state)
    found = run_dropping(network, x, state, recurrence=recurrence, between=nn.Identity(), recurrent_dropout=0.0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    wanted = [*network.parameters(), x, h]
    gradients = [torch.autograd.grad(outputs.sin().sum(), wanted) for outputs, _ in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_without_a_state_layers_begin_at_zero():
    recurrence = Recurrence("lstm", 6)
    network, x = recurrence.build(5), torch.randn(3, 9, 5)
    found, _ = run_dropping(network, x, None, recurrence=recurrence, between=nn.Identity(), recurrent_dropout=0.0)
    torch.testing.assert_close(found, network(x)[0])


def test_weights_from_state_to_state_are_dropped_and_those_of_the_inputs_are_not():
    recurrence = Recurrence("rnn", 6)
    network, x = recurrence.build(5), torch.randn(3, 2, 5)

    def run() -> torch.Tensor:
        return run_dropping(network, x, None, recurrence=recurrence, between=nn.Identity(), recurrent_dropout=0.5)[0]

    first, second = run(), run()
    assert torch.equal(first[:, 0], second[:, 0])
    assert not torch.equal(first[:, 1], second[:, 1])


@pytest.mark.parametrize("rows", [1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 3])
def test_the_loss_of_the_output_layer_is_cross_entropy_with_the_same_gradients(rows):
    torch.manual_seed(0)
    vectors, weight, bias = doubles(rows, 6), doubles(11, 6), doubles(11)
    targets = torch.randint(11, (rows,))
    found = output_loss(vectors, weight, bias, targets)
    expected = F.cross_entropy(F.linear(vectors, weight, bias), targets)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    wanted = (vectors, weight, bias)
    gradients = [torch.autograd.grad(3 * loss, wanted) for loss in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_a_word_that_seemed_impossible_costs_much_but_not_without_end():
    loss = output_loss(torch.tensor([[1.0]]), torch.tensor([[0.0], [500.0]]), torch.zeros(2), torch.tensor([0]))
    assert 80 < loss.item() < 100


def test_a_number_that_is_none_is_not_hidden():
    assert output_loss(torch.tensor([[torch.nan]]), torch.ones(2, 1), torch.zeros(2), torch.tensor([0])).isnan()


def test_the_loss_is_measured_without_gradients_too():
    weight = torch.randn(5, 3, requires_grad=True)
    with torch.no_grad():
        loss = output_loss(torch.randn(4, 3), weight, torch.zeros(5), torch.tensor([0, 1, 2, 3]))
    assert not loss.requires_grad


def test_the_loss_of_words_that_are_all_drawn_is_that_of_the_whole_layer():
    torch.manual_seed(0)
    vectors, weight, bias, targets = doubles(7, 4), doubles(30, 4), doubles(30), torch.randint(30, (7,))
    found = sampled_loss(vectors, weight, bias, targets, torch.ones(30))
    expected = output_loss(vectors, weight, bias, targets)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    wanted = (vectors, weight, bias)
    gradients = [torch.autograd.grad(loss, wanted) for loss in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_drawn_words_give_the_sum_over_all_words_on_average():
    torch.manual_seed(0)
    vectors, weight, bias, targets = doubles(1, 4), doubles(50, 4), doubles(50), torch.tensor([3])
    chances = torch.full((50,), 0.6)
    score = (weight @ vectors[0] + bias)[3]
    sums = [(sampled_loss(vectors, weight, bias, targets, chances) + score).exp().item() for _ in range(4000)]
    assert sum(sums) / len(sums) == pytest.approx((weight @ vectors[0] + bias).exp().sum().item(), rel=0.01)


def test_a_target_that_was_not_drawn_is_only_its_own_rows_word():
    scores = torch.tensor([0.0, 1.0, 2.0])
    loss = sampled_loss(torch.ones(2, 1), scores[:, None], torch.zeros(3), torch.tensor([0, 1]), torch.tensor([0.0, 1.0, 0.0]))
    own = torch.tensor([torch.tensor([0.0, 1.0]).logsumexp(0), 0.0 + 1.0]) - scores[:2]
    assert loss.item() == pytest.approx(own.mean().item())


@pytest.mark.parametrize(("words", "expected"), [(2, [1, 1 / 3, 1 / 3, 1 / 3]), (3, [1, 2 / 3, 2 / 3, 2 / 3]), (4, None), (0, None)])
def test_common_words_are_drawn_surely_and_so_many_in_all_as_were_asked_for(words, expected):
    chances = drawing_chances(torch.tensor([100, 1, 0, 1]), words)
    assert chances is None if expected is None else chances.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("embedding", [6, 0])
def test_training_drops_and_evaluation_does_not(embedding):
    torch.manual_seed(0)
    shape = NextWordShape(
        Recurrence("lstm", 8, 2, dropout=0.4), vocabulary=20, embedding=embedding, recurrent_dropout=0.3, word_dropout=0.2
    )
    network, tokens = NextWordModel(shape), torch.randint(20, (2, 9))
    assert not torch.equal(network(tokens)[0], network(tokens)[0])
    network.eval()
    assert torch.equal(network(tokens)[0], network(tokens)[0])

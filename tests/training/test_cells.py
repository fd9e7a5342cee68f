"""The cells written out from their equations against torch.nn with the same weights."""

import math

import pytest
import torch
from torch import nn

from training.cells import GATES, EquationLayers, lstm_cell

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def pair(cell: str, *, layers: int = 1) -> tuple[EquationLayers, nn.Module]:
    torch.manual_seed(3)
    ours = EquationLayers(cell, 5, 8, layers=layers).double()
    theirs = CELLS[cell](5, 8, layers, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_and_states_equal_torch(cell, layers):
    ours, theirs = pair(cell, layers=layers)
    x = torch.randn(4, 7, 5, dtype=torch.float64)
    start = torch.randn(layers, 4, 8, dtype=torch.float64)
    state = (start, -start) if cell == "lstm" else start
    found, found_state = ours(x, state)
    expected, expected_state = theirs(x, state)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(found_state, expected_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_torch(cell):
    ours, theirs = pair(cell, layers=2)
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    for network in (ours, theirs):
        network(x)[0].square().sum().backward()
    expected = dict(theirs.named_parameters())
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name].grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_begin_uniform_within_one_over_root_hidden(cell):
    torch.manual_seed(0)
    layers = EquationLayers(cell, 30, 64)
    bound = 1 / math.sqrt(64)
    weights = torch.cat([weight.detach().ravel() for weight in layers.parameters()])
    assert weights.abs().max() <= bound
    assert weights.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert layers.weight_ih_l0.shape == (GATES[cell] * 64, 30)


def test_lstm_keeps_its_cell_unchanged_where_the_forget_gate_is_open_and_the_input_gate_shut():
    hidden = 2
    w, u = torch.zeros(4 * hidden, 1), torch.zeros(4 * hidden, hidden)
    b = torch.tensor([-50.0, -50, 50, 50, 0, 0, 50, 50])  # input shut, forget open, candidate 0, output open
    h, c = lstm_cell(torch.ones(1, 1), torch.zeros(1, hidden), torch.tensor([[0.3, -2.0]]), w, u, b, torch.zeros(4 * hidden))
    torch.testing.assert_close(c, torch.tensor([[0.3, -2.0]]))
    torch.testing.assert_close(h, torch.tanh(torch.tensor([[0.3, -2.0]])))


def test_dropout_acts_between_layers_only_and_only_in_training():
    torch.manual_seed(0)
    layers = EquationLayers("gru", 3, 4, layers=2, dropout=0.5)
    x = torch.randn(2, 5, 3)
    assert not torch.equal(layers(x)[0], layers(x)[0])
    layers.eval()
    torch.testing.assert_close(layers(x)[0], layers(x)[0], rtol=0, atol=0)

"""The networks: parameter counts, padding, missing values, scaling and quantiles."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.networks.classifier import ClassifierGraph, ClassifierShape, SequenceClassifier
from training.networks.forecaster import Forecaster
from training.networks.forecaster_shape import ForecasterShape
from training.networks.next_word import NextWordGraph, NextWordModel, NextWordShape
from training.networks.recurrence import Recurrence


def forecaster(**settings):
    torch.manual_seed(0)
    plain = {"recurrence": Recurrence("lstm", 8), "context": 12, "horizon": 5, "levels": (0.1, 0.5, 0.9), "bases": (1, 4)}
    network = Forecaster(ForecasterShape(**(plain | settings)))
    with torch.no_grad():  # as if trained: the head no longer at zero
        for weight in network.members[0].step_head.parameters():
            weight.uniform_(-0.5, 0.5)
    return network.eval()


def test_two_lstm_layers_of_256_over_image_rows_have_821770_weights():
    network = SequenceClassifier(ClassifierShape(Recurrence("lstm", 256, layers=2), features=28, labels=10))
    assert sum(weight.numel() for weight in network.parameters()) == 821_770


def test_an_untrained_forecaster_repeats_the_last_value():
    network = Forecaster(ForecasterShape(Recurrence("gru", 4), context=6, horizon=3, levels=(0.5,), bases=(1,))).eval()
    history = torch.tensor([[1.0, 2, 4, 3, 5, 7], [10, 20, 30, 20, 10, torch.nan]])
    found = network(history)[..., 0]
    torch.testing.assert_close(found, torch.tensor([[7.0, 7, 7], [10, 10, 10]]))


def test_an_untrained_forecaster_repeats_the_season_where_it_did_better_in_the_window():
    network = Forecaster(ForecasterShape(Recurrence("gru", 4), context=12, horizon=6, levels=(0.5,), bases=(1, 4))).eval()
    history = torch.tensor([[0.0, 9, 3, 6] * 3])
    torch.testing.assert_close(network(history)[..., 0], torch.tensor([[0.0, 9, 3, 6, 0, 9]]), rtol=0, atol=0.01)


def test_an_untrained_forecaster_moves_last_weeks_values_by_how_the_level_has_moved_since():
    week = torch.arange(7).repeat_interleave(4) + torch.tensor([0.0, 5, 1, 3]).repeat(7)  # each day of 4 steps its own level
    history = torch.cat([week, week + 100, week + 200])[None]
    network = Forecaster(ForecasterShape(Recurrence("gru", 4), context=84, horizon=4, levels=(0.5,), bases=(1, 4, 28))).eval()
    torch.testing.assert_close(network(history)[0, :, 0], week[:4] + 300, rtol=0, atol=1.0)


def test_segments_are_read_at_once_by_fewer_steps():
    network = forecaster(segment=4, past=1)
    assert network.members[0].recurrent.input_size == 4 * 3
    assert network(torch.randn(2, 12), torch.randn(2, 12, 1)).shape == (2, 5, 3)


def test_members_answer_by_their_mean_and_learn_on_their_own():
    network = forecaster(members=3)
    history = torch.randn(2, 12)
    each = network.of_each(history)
    assert each.shape == (3, 2, 5, 3)
    assert not torch.equal(each[0], each[1])
    torch.testing.assert_close(network(history), each.mean(dim=0))


def test_offsets_move_quantiles_in_scales_of_the_window_and_let_none_cross():
    network = forecaster()
    history = torch.tensor([[0.0, 200.0] * 6])
    before = network(history)
    network.get_buffer("offsets").copy_(torch.tensor([[-0.5, 0.0, -9.0]]).expand(5, 3))
    moved = network(history)
    torch.testing.assert_close(moved[..., 0], before[..., 0] - 0.5 * 100)
    torch.testing.assert_close(moved[..., 2], before[..., 1])  # it would have crossed the median


@pytest.mark.parametrize("history", [[0.0] * 12, [7e5] * 12, [torch.nan] * 11 + [3.0]])
def test_nothing_is_learned_from_what_follows_a_history_that_does_not_vary(history):
    assert torch.isinf(forecaster().error_unit(torch.tensor([history]))).all()


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_unit_of_errors_grows_with_the_series(factor):
    network = forecaster()
    history = 50 + torch.randn(3, 12)
    torch.testing.assert_close(network.error_unit(history * factor), network.error_unit(history) * factor, rtol=1e-3, atol=0)


@pytest.mark.parametrize("scaling", ["window", "standard", "minmax"])
def test_a_short_history_answers_as_one_padded_with_missing_values(scaling):
    network = forecaster(scaling=scaling, past=1, known=2)
    target, past, future = torch.randn(3, 7), torch.randn(3, 7, 1), torch.randn(3, 12, 2)
    pad = torch.full((3, 5), torch.nan)
    padded = network(
        torch.cat([pad, target], 1), torch.cat([pad[..., None], past], 1), torch.cat([pad[..., None].expand(-1, -1, 2), future], 1)
    )
    torch.testing.assert_close(network(target, past, future), padded, rtol=0, atol=0)


def test_only_the_last_context_counts():
    network = forecaster()
    history = torch.randn(2, 40)
    torch.testing.assert_close(network(history), network(history[:, -12:]), rtol=0, atol=0)


@given(
    level=st.sampled_from([0.0, 1e-12, 1.0, -40.0, 1e12]),
    spread=st.sampled_from([0.0, 1e-13, 0.1, 1e3, 1e11]),
    missing=st.integers(0, 11),
    seed=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_quantiles_are_finite_and_never_cross_whatever_the_size_of_the_series(level, spread, missing, seed):
    generator = torch.Generator().manual_seed(seed)
    history = level + spread * torch.randn(1, 12, generator=generator)
    history[0, torch.randperm(12, generator=generator)[:missing]] = torch.nan
    quantiles = forecaster()(history)
    assert torch.isfinite(quantiles).all()
    assert (quantiles.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_forecasts_scale_with_the_unit_of_the_series(factor):
    network = forecaster()
    history = 5 + torch.randn(2, 12)
    torch.testing.assert_close(network(history * factor), network(history) * factor, rtol=1e-4, atol=0)


def test_a_missing_covariate_value_counts_as_the_usual_one():
    network = forecaster(scaling="standard", past=1)
    target, past = torch.randn(1, 12), torch.randn(1, 12, 1)
    past[0, 3] = network.get_buffer("past_centre")
    missing = past.clone()
    missing[0, 3] = torch.nan
    torch.testing.assert_close(network(target, missing), network(target, past), rtol=0, atol=0)


@pytest.mark.parametrize(("cell", "impl"), [(cell, impl) for cell in ("lstm", "gru", "rnn") for impl in ("torch", "equations")])
def test_batched_equals_single(cell, impl):
    network = forecaster(recurrence=Recurrence(cell, 8, layers=2, impl=impl))
    history = torch.randn(6, 12)
    alone = torch.cat([network(row[None]) for row in history])
    torch.testing.assert_close(network(history), alone, rtol=0, atol=1e-6)


def next_word(cell="lstm", embedding=6):
    torch.manual_seed(0)
    return NextWordModel(NextWordShape(Recurrence(cell, 8), vocabulary=20, embedding=embedding)).eval()


def test_word_vectors_are_shared_by_both_ends_and_counted_once():
    network = next_word(embedding=6)
    assert network.output.weight is network.embed.weight
    # vectors, output bias, projection, LSTM
    assert sum(weight.numel() for weight in network.parameters()) == 20 * 6 + 20 + (8 * 6 + 6) + 4 * 8 * (6 + 8 + 2)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_reading_on_from_a_state_equals_reading_it_all(cell):
    graph = NextWordGraph(next_word(cell), top_k=3, hidden_ids=(0, 1)).eval()
    tokens = torch.randint(0, 20, (2, 9))
    start = [torch.zeros(2, 1, 8)] * (2 if cell == "lstm" else 1)
    whole = graph(tokens, *start)
    half = graph(tokens[:, :4], *start)
    for found, expected in zip(graph(tokens[:, 4:], *half[3:]), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_special_tokens_are_never_among_the_suggestions_but_keep_their_probability():
    network = next_word()
    with torch.no_grad():
        network.output.bias[0] = 50.0
    graph = NextWordGraph(network, top_k=18, hidden_ids=(0, 1))
    log_probs, top_ids, top_log_probs, *_ = graph(torch.tensor([[5]]), torch.zeros(1, 1, 8), torch.zeros(1, 1, 8))
    assert set(top_ids[0].tolist()) == set(range(2, 20))
    assert torch.isfinite(top_log_probs).all()
    assert log_probs[0].exp().sum().item() == pytest.approx(1)
    assert log_probs[0, 0] > -1e-3


def test_a_classifier_sees_raw_units():
    network = SequenceClassifier(ClassifierShape(Recurrence("rnn", 4), features=3, labels=2)).eval()
    network.get_buffer("centre").fill_(100.0)
    network.get_buffer("scale").fill_(10.0)
    raw = torch.full((1, 5, 3), 120.0)
    plain = SequenceClassifier(ClassifierShape(Recurrence("rnn", 4), features=3, labels=2)).eval()
    plain.load_state_dict(network.state_dict() | {"centre": torch.zeros(1), "scale": torch.ones(1)})
    torch.testing.assert_close(network(raw), plain(torch.full((1, 5, 3), 2.0)))
    assert ClassifierGraph(network)(raw).sum().item() == pytest.approx(1)

"""Exported graphs compute what was trained, whatever the batch and the length."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from service.contract.golden import parse_goldens
from service.contract.manifest import ArtifactError, TensorSpec
from service.contract.onnx_file import refuse_external_data
from training.export import Graph, export, onnx_run, parameter_table, to_onnx, torchscript_run
from training.networks.classifier import ClassifierGraph, ClassifierShape, SequenceClassifier
from training.networks.forecaster import Forecaster, ForecastGraph
from training.networks.forecaster_shape import ForecasterShape
from training.networks.next_word import NextWordGraph, NextWordModel, NextWordShape
from training.networks.recurrence import Recurrence

SEQUENCE = TensorSpec(name="sequence", datatype="FP32", shape=(-1, -1, 3))
PROBABILITIES = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 4))


def sequences(batch, time):
    return {"sequence": np.random.default_rng(batch * time).normal(size=(batch, time, 3)).astype(np.float32)}


def classifier(cell, *, layers=1):
    torch.manual_seed(0)
    network = SequenceClassifier(ClassifierShape(Recurrence(cell, 8, layers), features=3, labels=4))
    return Graph(ClassifierGraph(network).eval(), (SEQUENCE,), (PROBABILITIES,))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_batch_and_time_are_free_in_both_formats(cell, layers, tmp_path):
    trials = [sequences(batch, time) for batch in (1, 7, 64) for time in (5, 1, 33)]
    parity = export(classifier(cell, layers=layers), tmp_path, trials=trials, goldens=[trials[0]])
    assert set(parity) == {"model.onnx", "model.torchscript.pt"}
    assert max(parity.values()) < 1e-5


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_next_word_graph_is_exported_with_its_state(cell, tmp_path):
    torch.manual_seed(0)
    network = NextWordModel(NextWordShape(Recurrence(cell, 8, layers=2), vocabulary=30, embedding=6))
    states = ("state_h", "state_c") if cell == "lstm" else ("state_h",)
    size = (-1, 2, 8)
    graph = Graph(
        NextWordGraph(network, top_k=4, hidden_ids=(0, 1)).eval(),
        (
            TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1)),
            *(TensorSpec(name=name, datatype="FP32", shape=size) for name in states),
        ),
        (
            TensorSpec(name="log_probs", datatype="FP32", shape=(-1, 30)),
            TensorSpec(name="top_ids", datatype="INT64", shape=(-1, 4)),
            TensorSpec(name="top_log_probs", datatype="FP32", shape=(-1, 4)),
            *(TensorSpec(name=f"next_{name}", datatype="FP32", shape=size) for name in states),
        ),
        {name: f"next_{name}" for name in states},
        unrecorded=frozenset({"log_probs"}),
    )
    generator = np.random.default_rng(0)
    trials = [
        {
            "tokens": generator.integers(0, 30, (batch, time)),
            **{name: generator.normal(size=(batch, 2, 8)).astype(np.float32) for name in states},
        }
        for batch in (1, 7, 64)
        for time in (1, 9)
    ]
    parity = export(graph, tmp_path, trials=trials, goldens=trials[:2])
    assert max(parity.values()) < 1e-5
    recorded = parse_goldens((tmp_path / "golden.json").read_bytes())
    assert set(recorded[0].outputs) == {"top_ids", "top_log_probs", *(f"next_{name}" for name in states)}
    np.testing.assert_array_equal(onnx_run(tmp_path / "model.onnx")(trials[1])["top_ids"], graph.run(trials[1])["top_ids"])


def test_the_tied_matrix_is_stored_once():
    network = NextWordModel(NextWordShape(Recurrence("lstm", 8), vocabulary=500, embedding=64))
    graph = Graph(
        NextWordGraph(network, top_k=4, hidden_ids=(0, 1)).eval(),
        (
            TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1)),
            *(TensorSpec(name=f"state_{n}", datatype="FP32", shape=(-1, 1, 8)) for n in "hc"),
        ),
        tuple(TensorSpec(name=n, datatype="FP32", shape=(-1, -1)) for n in ("log_probs", "top_ids", "top_log_probs")),
    )
    zeros = np.zeros((1, 1, 8), np.float32)
    model = to_onnx(
        Graph(
            graph.module, graph.inputs, (*graph.outputs, *(TensorSpec(name=f"next_{n}", datatype="FP32", shape=(-1, 1, 8)) for n in "hc"))
        ),
        {"tokens": np.zeros((1, 2), np.int64), "state_h": zeros, "state_c": zeros},
    )
    assert len(model) < 1.3 * 500 * 64 * 4


def test_exported_files_are_valid_onnx_with_their_weights_inside(tmp_path):
    export(classifier("lstm"), tmp_path, trials=[sequences(1, 5)], goldens=[sequences(1, 5)])
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)
    refuse_external_data((tmp_path / "model.onnx").read_bytes())


class Forgetful(nn.Module):
    """Tracing bakes in what it saw: the mean over the example's own length."""

    def forward(self, sequence):
        return sequence.sum(dim=(1, 2), keepdim=False)[:, None].expand(-1, 4) / int(sequence.shape[1])


def test_a_graph_that_depends_on_the_length_of_the_example_is_not_published(tmp_path):
    graph = Graph(Forgetful(), (SEQUENCE,), (PROBABILITIES,))
    with pytest.raises(ArtifactError, match=r"model\.onnx differs from the trained network by .* not published"):
        export(graph, tmp_path, trials=[sequences(1, 5), sequences(1, 9)], goldens=[sequences(1, 5)])


class Fixed(nn.Module):
    """Takes one length only once it is traced."""

    def forward(self, sequence):
        return sequence.reshape(-1, int(sequence.shape[1]) * 3)[:, :4]


def test_a_graph_that_fails_on_another_length_is_not_published(tmp_path):
    graph = Graph(Fixed(), (SEQUENCE,), (PROBABILITIES,))
    with pytest.raises(ArtifactError, match=r"fails on inputs of shape|differs from the trained"):
        export(graph, tmp_path, trials=[sequences(1, 5), sequences(1, 9)], goldens=[sequences(1, 5)])


def test_torchscript_runs_by_the_order_of_the_signature(tmp_path):
    graph = classifier("gru")
    export(graph, tmp_path, trials=[sequences(2, 5)], goldens=[sequences(2, 5)])
    found = torchscript_run(graph, tmp_path / "model.torchscript.pt")(sequences(3, 8))
    np.testing.assert_allclose(found["probabilities"], graph.run(sequences(3, 8))["probabilities"], atol=1e-6)


def test_the_parameter_table_shows_the_gates_of_cells_only():
    network = SequenceClassifier(ClassifierShape(Recurrence("gru", 8), features=3, labels=4))
    table = {entry.name: (entry.shape, entry.count, entry.gates) for entry in parameter_table(network, "gru")}
    assert table["recurrent.weight_ih_l0"] == ((24, 3), 72, 3)
    assert table["output.weight"] == ((4, 8), 32, None)


class OneTooMany(nn.Module):
    """Gives five probabilities where the signature says four."""

    def forward(self, sequence):
        return torch.softmax(torch.zeros(5).expand(sequence.shape[0], 5) + sequence.sum(dim=(1, 2))[:, None], dim=-1)


def test_a_graph_whose_sizes_are_not_those_of_its_signature_is_not_published(tmp_path):
    graph = Graph(OneTooMany(), (SEQUENCE,), (PROBABILITIES,))
    with pytest.raises(ArtifactError, match=r"declares probabilities as .*5\], but it is \(-1, 4\)"):
        export(graph, tmp_path, trials=[sequences(1, 5)], goldens=[sequences(1, 5)])


@pytest.mark.parametrize("levels", [(0.5,), (0.5, 0.9), (0.1, 0.5), (0.05, 0.25, 0.5, 0.75, 0.95)])
def test_any_set_of_quantiles_is_exported(levels, tmp_path):
    torch.manual_seed(0)
    network = Forecaster(ForecasterShape(Recurrence("gru", 4), context=6, horizon=3, levels=levels, bases=(1,)))
    target = TensorSpec(name="target", datatype="FP32", shape=(-1, -1))
    quantiles = TensorSpec(name="quantiles", datatype="FP32", shape=(-1, 3, len(levels)))
    histories = [{"target": np.random.default_rng(time).normal(size=(2, time)).astype(np.float32)} for time in (6, 3)]
    parity = export(Graph(ForecastGraph(network).eval(), (target,), (quantiles,)), tmp_path, trials=histories, goldens=histories)
    assert max(parity.values()) < 1e-5

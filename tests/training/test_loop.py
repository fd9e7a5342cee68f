"""The training loop, on a line to fit."""

import numpy as np
import pytest
import torch
from torch import nn

from training.config import NextWordConfig
from training.loop import TrainingError, fit


def config(**settings):
    fast = {"name": "line", "data": "x", "epochs": 6, "learning_rate": 0.05, "patience": 0, "ema": 0.0, "clip": 1.0}
    return NextWordConfig(**(fast | settings))


class Line:
    """y = 2x + 1 with a layer that drops out, so that resuming must restore randomness too."""

    steps_per_epoch = 8

    def __init__(self, *, stop_in_epoch=None, bad=False, validation=None):
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.2), nn.Linear(8, 1))
        self.stop_in_epoch = stop_in_epoch
        self.bad = bad
        self.validations = iter(validation) if validation else None
        self.epoch = 0

    def batches(self, generator):
        self.epoch += 1
        for _ in range(self.steps_per_epoch):
            if self.epoch == self.stop_in_epoch:
                raise KeyboardInterrupt
            x = torch.from_numpy(generator.uniform(-1, 1, (16, 1)).astype(np.float32))
            yield x, 2 * x + 1

    def loss(self, network, batch):
        x, y = batch
        return (network(x) - y).square().mean() * (float("nan") if self.bad else 1)

    def validation_loss(self, network):
        assert not network.training
        if self.validations is not None:
            return next(self.validations)
        x = torch.linspace(-1, 1, 9)[:, None]
        with torch.no_grad():
            return self.loss(network, (x, 2 * x + 1)).item()


def weights(learner):
    return torch.cat([weight.ravel() for weight in learner.network.state_dict().values()])


def test_fit_learns(tmp_path):
    learner = Line()
    history = fit(learner, config(epochs=20), checkpoint=tmp_path / "c.pt")
    assert len(history) == 20
    assert history[-1].validation_loss < 0.1 * history[0].validation_loss
    assert [epoch.number for epoch in history] == list(range(1, 21))


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_a_resumed_run_ends_with_the_weights_of_one_never_stopped(tmp_path, ema, schedule):
    whole = Line()
    fit(whole, config(ema=ema, schedule=schedule), checkpoint=tmp_path / "whole.pt")
    stopped = Line(stop_in_epoch=4)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, config(ema=ema, schedule=schedule), checkpoint=tmp_path / "stopped.pt", save_every_s=0)
    resumed = Line()
    history = fit(resumed, config(ema=ema, schedule=schedule), checkpoint=tmp_path / "stopped.pt", resume=True)
    assert len(history) == 6
    assert torch.equal(weights(resumed), weights(whole))


def test_resuming_another_configuration_is_refused(tmp_path):
    fit(Line(), config(), checkpoint=tmp_path / "c.pt", save_every_s=0)
    with pytest.raises(TrainingError, match="another configuration"):
        fit(Line(), config(clip=0.5), checkpoint=tmp_path / "c.pt", resume=True)


def test_resuming_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint"):
        fit(Line(), config(), checkpoint=tmp_path / "c.pt", resume=True)


def test_stops_early_and_keeps_the_best_weights(tmp_path):
    kept = {}
    learner = Line(validation=[5.0, 1.0, 2.0, 3.0, 4.0])

    def remember(epoch):
        kept[epoch.number] = weights(learner).clone()

    history = fit(learner, config(epochs=50, patience=3), checkpoint=tmp_path / "c.pt", on_epoch=remember)
    assert [epoch.validation_loss for epoch in history] == [5.0, 1.0, 2.0, 3.0, 4.0]
    assert torch.equal(weights(learner), kept[2])


def test_the_average_of_the_weights_is_what_stays(tmp_path):
    plain, averaged = Line(), Line()
    fit(plain, config(epochs=2), checkpoint=tmp_path / "p.pt")
    fit(averaged, config(epochs=2, ema=0.95), checkpoint=tmp_path / "a.pt")
    assert not torch.equal(weights(plain), weights(averaged))


def test_a_loss_that_is_no_number_stops_the_run_with_a_remedy(tmp_path):
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        fit(Line(bad=True), config(), checkpoint=tmp_path / "c.pt")


def test_every_step_is_reported(tmp_path):
    steps = []
    fit(Line(), config(epochs=2), checkpoint=tmp_path / "c.pt", on_step=lambda step, _loss: steps.append(step))
    assert steps == list(range(1, 17))

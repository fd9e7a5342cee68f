"""fit(): the whole training loop, the same for every task."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training.config import RunConfig

Batch = TypeVar("Batch")
Weights = dict[str, Tensor]
Several = tuple[Tensor, ...] | list[Tensor]


class TrainingError(RuntimeError):
    """A run that cannot go on; the message says what to change."""


class Learner(Protocol[Batch]):
    """What the loop needs of a task."""

    network: nn.Module
    steps_per_epoch: int

    def batches(self, generator: np.random.Generator) -> Iterator[Batch]:
        """One epoch, at most `steps_per_epoch` batches, in an order drawn from `generator`."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean loss of a batch, a scalar to differentiate."""

    def validation_loss(self, network: nn.Module) -> float:
        """Mean loss on the validation split, of a network in evaluation mode."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the data. Losses are means; `seconds` is since the start of the fit."""

    number: int
    train_loss: float
    validation_loss: float
    seconds: float


@dataclass(slots=True)
class Progress(Generic[Batch]):
    """Where a fit stands; all of it is in a checkpoint."""

    learner: Learner[Batch]
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: AveragedModel | None
    history: list[Epoch] = field(default_factory=list)
    best_loss: float = math.inf
    best_weights: Weights = field(default_factory=dict)
    waited: int = 0

    @property
    def published(self) -> nn.Module:
        """The network whose weights are published: the running average where there is one."""
        return self.learner.network if self.average is None else self.average.module

    def save(self, path: Path, config: RunConfig) -> None:
        """Write a checkpoint; the one before stays until this one is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".partial")
        torch.save(
            {
                "config": _identity(config),
                "network": self.learner.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "history": [asdict(epoch) for epoch in self.history],
                "best_loss": self.best_loss,
                "best_weights": self.best_weights,
                "waited": self.waited,
            },
            temporary,
        )
        temporary.replace(path)

    def load(self, path: Path, config: RunConfig) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: none there, or one of another configuration.
        """
        if not path.exists():
            raise TrainingError(f"no checkpoint {path} to resume: start without --resume")
        saved: dict[str, Any] = torch.load(path, map_location=device_of(self.learner.network), weights_only=True)
        if saved["config"] != _identity(config):
            raise TrainingError(
                f"checkpoint {path} is of another configuration: resume with the same recipe and flags, or start without --resume"
            )
        self.learner.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.history = [Epoch(**epoch) for epoch in saved["history"]]
        self.best_loss, self.best_weights, self.waited = saved["best_loss"], saved["best_weights"], saved["waited"]


def fit(
    learner: Learner[Batch],
    config: RunConfig,
    *,
    checkpoint: Path,
    resume: bool = False,
    save_every_s: float = 0.0,
    on_step: Callable[[int, float], None] = lambda _step, _loss: None,
    on_epoch: Callable[[Epoch], None] = lambda _epoch: None,
) -> list[Epoch]:
    """Train `learner.network` where it lies and leave in it the weights that did best on the validation split.

    Every epoch draws from its own seed, so that a resumed run ends with the same weights as one that was never stopped.

    Raises:
        TrainingError: the loss is no longer a number, or there is nothing to resume.
        KeyboardInterrupt: as it came; an epoch that ended less than `save_every_s` before is in `checkpoint`.
    """
    run = _start(learner, config)
    if resume:
        run.load(checkpoint, config)
    before = run.history[-1].seconds if run.history else 0.0
    started = saved = time.monotonic()
    while len(run.history) < config.epochs and not (config.patience and run.waited >= config.patience):
        train_loss = _run_epoch(run, config, on_step)
        validation = learner.validation_loss(run.published.eval())
        run.history.append(Epoch(len(run.history) + 1, train_loss, validation, before + time.monotonic() - started))
        _keep_best(run, validation)
        if time.monotonic() - saved >= save_every_s:
            run.save(checkpoint, config)
            saved = time.monotonic()
        on_epoch(run.history[-1])
    learner.network.load_state_dict(run.best_weights)
    learner.network.eval()
    return run.history


def _run_epoch(run: Progress[Batch], config: RunConfig, on_step: Callable[[int, float], None]) -> float:
    """One pass over the training data; the mean loss."""
    learner, network, number = run.learner, run.learner.network, len(run.history) + 1
    torch.manual_seed(config.seed * 100_003 + number)  # dropout
    network.train()
    losses = []
    for batch in learner.batches(np.random.default_rng([config.seed, number])):
        run.optimizer.zero_grad(set_to_none=True)
        loss = learner.loss(network, batch)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has not annotated it
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        run.optimizer.step()
        run.schedule.step()
        if run.average is not None:
            run.average.update_parameters(network)
        losses.append(_finite(loss.item(), number))
        on_step((number - 1) * learner.steps_per_epoch + len(losses), losses[-1])
    return float(np.mean(losses))


def _start(learner: Learner[Batch], config: RunConfig) -> Progress[Batch]:
    optimizer = build_optimizer(learner.network, config)
    steps = max(learner.steps_per_epoch * config.epochs, 1)
    schedule: torch.optim.lr_scheduler.LRScheduler
    match config.schedule:
        case "one-cycle":
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps + 1, cycle_momentum=False)
        case "constant":
            schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    average = AveragedModel(learner.network, multi_avg_fn=moving_average(config.ema)) if config.ema else None
    return Progress(learner, optimizer, schedule, average)


def moving_average(decay: float) -> Callable[[Several, Several, Tensor | int], None]:
    """Exponential moving average that forgets its first weights quickly: the decay rises to its own value as steps are made."""

    def average(means: Several, weights: Several, steps: Tensor | int) -> None:
        torch._foreach_lerp_(means, weights, 1 - min(decay, (1 + float(steps)) / (10 + float(steps))))

    return average


def build_optimizer(network: nn.Module, config: RunConfig) -> torch.optim.Optimizer:
    """The optimiser that a configuration asks for, each weight updated in one pass."""
    weights = list(network.parameters())
    match config.optimizer:
        case "adamw":  # decay is for matrices: a bias that is small explains nothing
            groups: list[dict[str, Any]] = [
                {"params": [weight for weight in weights if weight.ndim > 1]},
                {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
            ]
            decay = config.weight_decay
            return torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        case "adam":
            return torch.optim.Adam(weights, config.learning_rate, fused=True)


def _finite(loss: float, epoch: int) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is no longer a number in epoch {epoch}: lower --learning-rate or --clip, or look for extreme values in the data"
        )
    return loss


def _keep_best(run: Progress[Batch], validation: float) -> None:
    if validation < run.best_loss or not run.best_weights:
        run.best_loss, run.waited = validation, 0
        run.best_weights = copy.deepcopy(run.published.state_dict())
    else:
        run.waited += 1


def _identity(config: RunConfig) -> str:
    """What of a configuration decides the weights."""
    return config.model_dump_json(exclude={"name", "description", "licence", "models", "runs", "device", "allow_worse_than_naive"})


def device_of(network: nn.Module) -> torch.device:
    """Where a network lies."""
    return next(network.parameters()).device

"""The search: Optuna's study in a file, one trial after the other, each a fit of which nothing but the validation loss is kept."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.console import Console

from training.config import PATHS, ConfigError, RunConfig, build_config
from training.data.files import DataError
from training.loop import Epoch, TrainingError, fit
from training.run import build_learner, choose_device
from training.tune.display import TuneDisplay
from training.tune.space import Range, Space, as_text

FILE = "tune.db"
Values = dict[str, Any]
"""Setting -> what a trial gives it."""

RANDOM_TRIALS = 5
"""Trials that are drawn at random, before the sampler learns from them and before any is given up."""
UNSHARED = frozenset(
    ("name", "description", "licence", "models", "runs", "device", "int8", "grid", "tune", "allow_worse_than_naive", *PATHS)
)
"""Settings under which trials compare all the same; the data are told by their hash."""


class OutOfTimeError(Exception):
    """The time given to the search has run out in the middle of a trial."""


@contextmanager
def open_study(folder: Path, config: RunConfig, space: Space, data_sha256: str) -> Iterator[Study]:
    """The study in `folder`, new or gone on with; the trial of a process that was killed is forgotten.

    Raises:
        ConfigError: what lies there is a search of another configuration, space or data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = RDBStorage(f"sqlite:///{(folder / FILE).resolve()}")
    try:
        pruner = MedianPruner(n_startup_trials=RANDOM_TRIALS, n_warmup_steps=max(config.epochs // 5, 1))
        study = optuna.create_study(storage=storage, study_name=config.name, load_if_exists=True, direction="minimize", pruner=pruner)
        shared = config.model_dump(mode="json", exclude=set(UNSHARED))
        identity = json.dumps({"config": shared, "space": as_text(space), "data": data_sha256})
        if study.user_attrs.get("identity", identity) != identity:
            raise ConfigError(
                f"{folder / FILE} is a search of another configuration, space or data: give those again, another --name, or remove the file"
            )
        study.set_user_attr("identity", identity)
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def run_trials(study: Study, config: RunConfig, space: Space, *, first: Values, trials: int, deadline: float, display: TuneDisplay) -> None:
    """Go on until `trials` have ended, the first with the values of `first`, or until `deadline` on the monotonic clock.

    What a trial draws follows from the seed and the trials that ended before it: a search that was stopped ends like one that was not.

    Raises:
        DataError: rows that cannot be learned from, whatever the trial.
        TrainingError: the device is not there.
        KeyboardInterrupt: as it came; the trial that ran is forgotten.
    """
    device = choose_device(config.device)
    while (ended := len(finished(study))) < trials and time.monotonic() < deadline:
        study.sampler = TPESampler(seed=config.seed * 100_003 + ended, n_startup_trials=RANDOM_TRIALS)
        if not ended and not study.get_trials(states=(TrialState.WAITING,)):
            study.enqueue_trial(first)
        trial = study.ask()
        try:
            loss = _fitted_loss(config, space, trial, device, deadline=deadline, display=display)
        except (optuna.TrialPruned, TrainingError, DataError) as error:
            if isinstance(error, DataError) and not ended:
                study.tell(trial, state=TrialState.FAIL)
                raise
            trial.set_user_attr("reason", str(error))
            study.tell(trial, state=TrialState.PRUNED)
        except OutOfTimeError:
            study.tell(trial, state=TrialState.FAIL)
            break
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        else:
            study.tell(trial, loss)
        display.on_trial(finished(study))


def finished(study: Study) -> list[FrozenTrial]:
    """Trials that ended, or were given up for what they showed, in the order in which they ran."""
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def completed(study: Study) -> list[FrozenTrial]:
    """Trials with the loss of a whole fit, the least first."""
    return sorted(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: (_loss(trial), trial.number))


def config_of(config: RunConfig, values: Values) -> RunConfig:
    """The configuration with the values of a trial.

    Raises:
        ConfigError: a value that does not go with another.
    """
    return build_config(type(config), config.model_dump(exclude={"grid", "tune"}) | values)


def _loss(trial: FrozenTrial) -> float:
    return math.inf if trial.value is None else trial.value


def _fitted_loss(config: RunConfig, space: Space, trial: Trial, device: torch.device, *, deadline: float, display: TuneDisplay) -> float:
    """The least validation loss of a fit; neither the test part nor a file is touched."""
    tried = config_of(config, {name: _drawn(trial, name, given) for name, given in space.items()})
    torch.manual_seed(tried.seed)
    learner = build_learner(tried, Console(quiet=True))
    learner.network.to(device)

    def on_epoch(epoch: Epoch) -> None:
        display.on_epoch(epoch)
        if not math.isfinite(epoch.validation_loss):
            raise TrainingError(f"the validation loss is no longer a number in epoch {epoch.number}")
        trial.report(epoch.validation_loss, epoch.number)
        if epoch.number < tried.epochs and trial.should_prune():
            raise optuna.TrialPruned(f"given up after epoch {epoch.number}")
        if epoch.number < tried.epochs and time.monotonic() >= deadline:
            raise OutOfTimeError

    history = fit(learner, tried, checkpoint=config.runs / "none.pt", save_every_s=math.inf, on_epoch=on_epoch)
    return min(epoch.validation_loss for epoch in history)


def _drawn(trial: Trial, name: str, given: Range | tuple[Any, ...]) -> Any:  # noqa: ANN401 - a setting of any type
    if isinstance(given, Range):
        return trial.suggest_float(name, given.low, given.high, log=given.log)
    return trial.suggest_categorical(name, given)

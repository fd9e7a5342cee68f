"""A search from top to bottom: space -> trials -> the best as a table, a picture and a recipe -> trained in full and published."""

from __future__ import annotations

import math
import time
from contextlib import suppress

from optuna.study import Study
from rich.console import Console

from service.contract.repository import Artifact
from training.config import ConfigError, RunConfig
from training.loop import TrainingError
from training.run import build_learner, run
from training.tune.display import TuneDisplay
from training.tune.recipe import recipe_text
from training.tune.show import best_table, importance_plot, importances
from training.tune.space import Range, Space, own_values, search_space
from training.tune.study import RANDOM_TRIALS, completed, config_of, finished, open_study, run_trials

RECIPE = "best.toml"


def tune(config: RunConfig, *, trials: int, timeout_s: float | None, publish: bool, console: Console) -> Artifact | None:
    """Search for the settings with the least validation loss until `trials` have ended in all, or `timeout_s` seconds have gone by now.

    The search lies in the run's folder and goes on where it ended; the best is written there as a recipe, trained in full and published.

    Raises:
        ConfigError: a space that cannot be searched, or a search of another configuration in the folder.
        DataError: rows that cannot be learned from.
        TrainingError: no trial came to its end.
        ArtifactError, WorseThanNaiveError: as `run` has them.
        KeyboardInterrupt: stopped; the trials that ended are kept and shown.
    """
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    if config.grid:
        raise ConfigError("--grid trains every combination and tune chooses among them: give one of the two")
    learner = build_learner(config, console)
    task = learner.task()
    space, own = search_space(config, task), own_values(config, task)
    first = {name: own[name] for name in space if name not in config.tune}
    with open_study(config.runs / config.name, config, space, learner.data.sha256) as study:
        del learner  # its data are read again for each trial
        try:
            with TuneDisplay(console, trials=trials, ended=len(finished(study)), epochs=config.epochs) as display:
                run_trials(study, config, space, first=first, trials=trials, deadline=deadline, display=display)
        except KeyboardInterrupt:
            with suppress(TrainingError):
                _conclude(study, config, space, console)
            raise
        if (ended := len(finished(study))) < trials:
            console.print(f"time ran out after {ended} of {trials} trials: the same command goes on", style="yellow", highlight=False)
        best = _conclude(study, config, space, console)
    return run(best, resume=False, console=console) if publish else None


def _conclude(study: Study, config: RunConfig, space: Space, console: Console) -> RunConfig:
    """Show what was found and write it beside the search; the best configuration.

    Raises:
        TrainingError: no trial came to its end.
    """
    trials = completed(study)
    if not trials:
        reasons = {str(trial.user_attrs["reason"]) for trial in finished(study)}
        raise TrainingError(f"no trial came to its end: {'; '.join(sorted(reasons)) or 'give more time with --timeout'}")
    searched = [name for name, given in space.items() if isinstance(given, Range) or len(given) > 1]
    folder, found = config.runs / config.name, importances(study, searched)
    console.print(best_table(study, searched))
    if found:
        (folder / "importance.png").write_bytes(importance_plot(study, found).png)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found.items())
        console.print(f"what mattered: {shares} ({folder / 'importance.png'})", markup=False, highlight=False)
    elif searched:
        console.print(f"what mattered is told from {RANDOM_TRIALS + 1} whole fits on: there are {len(trials)}", highlight=False)
    best = config_of(config, trials[0].params)
    heading = f"The best of {len(finished(study))} trials, with a validation loss of {trials[0].value:.6g}."
    (folder / RECIPE).write_text(recipe_text(best, heading=heading, found=list(space)), encoding="utf-8")
    console.print(f"the best as a recipe: {folder / RECIPE}", markup=False, highlight=False)
    return best

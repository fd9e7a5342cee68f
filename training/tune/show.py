"""What a search shows at its end: its best trials, and which settings mattered."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from rich.table import Table

from training.pictures import Picture, bar_panels
from training.tune.study import RANDOM_TRIALS, completed, finished

MOST_TRIALS = 10
"""Trials of the table of the best."""
GOOD = 0.25
"""Share of the trials, the best, that importance is about."""


def best_table(study: Study, names: Sequence[str]) -> Table:
    """The best trials, the best first; `names` are the settings that were searched."""
    ended, best = finished(study), completed(study)
    title = f"{study.study_name}: the best of {len(ended)} trials, {len(ended) - len(best)} of which were given up"
    table = Table(title=title)
    for heading in ("trial", "loss", *names):
        table.add_column(heading, overflow="fold")
    places = {trial.number: place for place, trial in enumerate(ended, 1)}
    for trial in best[:MOST_TRIALS]:
        values = (trial.params[name] for name in names)
        shown = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)
        table.add_row(str(places[trial.number]), f"{trial.value:.4f}", *shown)
    return table


def importances(study: Study, names: Sequence[str]) -> dict[str, float]:
    """How much each setting tells good trials from others, adding up to 1 (PED-ANOVA, Watanabe et al. 2023); empty of too few trials."""
    if not names or len(completed(study)) <= RANDOM_TRIALS:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=GOOD), params=list(names))


def importance_plot(study: Study, found: dict[str, float]) -> Picture:
    """A bar for each setting."""
    title = f"{study.study_name}: what mattered in {len(completed(study))} trials"
    return bar_panels("importance", title, {f"importance for the best {GOOD:.0%}": found}, marked=next(iter(found), ""))

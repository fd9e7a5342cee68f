"""What a graph must take and give so that its task can be asked: names of tensors, states, a free batch axis, and what is derived here."""

from __future__ import annotations

from service.contract.manifest import ArtifactError, ClassifyTask, ForecastTask, Manifest, NextWordTask, Task
from service.contract.public_holidays import check_holidays


def check_signature(manifest: Manifest) -> None:
    """Do nothing when the manifest's tensors are those that its task is asked with.

    Raises:
        ArtifactError: a tensor is missing, unknown or listed twice, its batch axis is fixed, its last axis has another size than the
            task says, or the holidays that the graph reads cannot be looked up.
    """
    _check_holidays(manifest.task)
    inputs, outputs = _graph(manifest.task)
    takes = sorted(inputs | set(manifest.state))
    gives = outputs | set(manifest.state.values())
    taken = [spec.name for spec in manifest.inputs]
    given = [spec.name for spec in manifest.outputs]
    if sorted(taken) != takes:
        raise ArtifactError(f"manifest.json: a graph of this task takes {', '.join(takes)}, not {', '.join(taken)}")
    if len(set(given)) != len(given) or not gives <= set(given):
        raise ArtifactError(f"manifest.json: a graph of this task gives {', '.join(sorted(gives))}, not {', '.join(given)}")
    for spec in (*manifest.inputs, *manifest.outputs):
        if spec.shape[0] != -1:
            raise ArtifactError(f"manifest.json: axis 0 of {spec.name!r} is the batch: it must be free (-1), not {spec.shape[0]}")
        width = _widths(manifest.task).get(spec.name, spec.shape[-1])
        if spec.shape[-1] not in (-1, width):
            raise ArtifactError(f"manifest.json: the last axis of {spec.name!r} has {spec.shape[-1]} places, and the task says {width}")


def _check_holidays(task: Task) -> None:
    """The graph must read what it was trained on."""
    if isinstance(task, ForecastTask) and task.holidays is not None:
        try:
            check_holidays(task.holidays)
        except ValueError as error:
            raise ArtifactError(f"manifest.json: {error}") from error


def _graph(task: Task) -> tuple[set[str], set[str]]:
    """Inputs and outputs of a task's graph, states left out."""
    match task:
        case ForecastTask():
            covariates = {name for name, columns in (("past", task.past), ("future", task.known), ("static", task.static)) if columns}
            return {"target"} | covariates, {"quantiles"}
        case NextWordTask():
            return {"tokens"}, {"log_probs", "top_ids", "top_log_probs"} | ({"vectors"} if task.pointer else set())
        case ClassifyTask():
            return {"sequence"}, {"probabilities"}


def _widths(task: Task) -> dict[str, int]:
    """Size of the last axis of those of a task's tensors in which each place stands for something: a column, a level, a word, a label."""
    match task:
        case ForecastTask():
            return {"past": len(task.past), "future": len(task.known), "static": len(task.static), "quantiles": len(task.quantiles)}
        case NextWordTask():
            return {"log_probs": task.vocabulary, "top_ids": task.top_k, "top_log_probs": task.top_k}
        case ClassifyTask():
            return {"sequence": task.features, "probabilities": len(task.labels)}

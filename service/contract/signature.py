"""What a graph must take and give so that its task can be asked: names of tensors, states, a free batch axis."""

from __future__ import annotations

from service.contract.manifest import ArtifactError, ClassifyTask, ForecastTask, Manifest, NextWordTask, Task


def check_signature(manifest: Manifest) -> None:
    """Do nothing when the manifest's tensors are those that its task is asked with.

    Raises:
        ArtifactError: a tensor is missing, unknown or listed twice, or its batch axis is fixed.
    """
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


def _graph(task: Task) -> tuple[set[str], set[str]]:
    """Inputs and outputs of a task's graph, states left out."""
    match task:
        case ForecastTask():
            covariates = {name for name, columns in (("past", task.past), ("future", task.known)) if columns}
            return {"target"} | covariates, {"quantiles"}
        case NextWordTask():
            return {"tokens"}, {"log_probs", "top_ids", "top_log_probs"}
        case ClassifyTask():
            return {"sequence"}, {"probabilities"}

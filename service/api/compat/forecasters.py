"""The forecaster that a client of another service asks for, by the name that it sends in the body."""

from __future__ import annotations

from starlette.requests import Request

from service.api.deps import context_of, model_of
from service.contract.manifest import ForecastTask
from service.errors import BadQuestion, ModelNotFound
from service.served_model import ServedModel

FOREIGN = ("timegpt-", "azureai")
"""How names begin that the client `nixtla` sends where its caller names no model."""


def forecasters(request: Request) -> list[str]:
    """Names of the forecasters that are served."""
    newest = context_of(request).registry.newest()
    return [model.manifest.name for model in newest if isinstance(model.manifest.task, ForecastTask)]


def forecaster(request: Request, name: str) -> tuple[ServedModel, ForecastTask]:
    """The forecaster with this name, `model` or `model@label`; of a client's own default the only one that is served here.

    It is counted as the model of the request.

    Raises:
        ModelNotFound: there is none, or the model has another task: such clients ask again after a 409.
        LabelNotFound: no such label.
        BadQuestion: the model needs static columns, which such a body has no place for.
    """
    known = forecasters(request)
    if name.startswith(FOREIGN) and name not in known and len(known) == 1:
        name = known[0]
    try:
        model = model_of(request, name)
    except ModelNotFound:
        raise ModelNotFound(name, available=known) from None
    task = model.manifest.task
    if not isinstance(task, ForecastTask):
        raise ModelNotFound(name, available=known)
    if task.static:
        columns = ", ".join(column.name for column in task.static)
        remedy = f"ask POST /v1/models/{model.manifest.name}/forecast"
        raise BadQuestion(f"{model.manifest.name!r} needs the static columns {columns}, for which this protocol has no field: {remedy}")
    request.scope["path_params"] = {**request.scope["path_params"], "name": model.manifest.name}
    return model, task

"""How a request says which model it asks: `model` or `model@label`, and a version."""

from __future__ import annotations

from service.contract.repository import MAX_VERSION_DIGITS
from service.errors import BadQuestion
from service.lifecycle.registry import ModelRegistry
from service.served_model import ServedModel

LABEL_SIGN = "@"
"""Between a model's name and a label, as registries of models write it."""


def version_number(version: str) -> int:
    """A version as a number.

    Raises:
        BadQuestion: it is none.
    """
    if version.isascii() and version.isdigit() and len(version) <= MAX_VERSION_DIGITS and int(version) > 0:
        return int(version)
    message = f"{version[:20]!r} is no version: a whole number from 1"
    raise BadQuestion(f"version: {message}", errors=[{"where": ["path", "version"], "message": message}])


def asked_versions(registry: ModelRegistry, name: str = "") -> list[ServedModel]:
    """All versions of the model with this name, the one with the label where it has one, or all of all models where it is empty.

    Raises:
        ModelNotFound, LabelNotFound: there is none.
    """
    if LABEL_SIGN in name:
        return [registry.resolve(name)]
    names = [name] if name else [model.manifest.name for model in registry.newest()]
    return [registry.get(one, version) for one in names for version in registry.versions(one)]

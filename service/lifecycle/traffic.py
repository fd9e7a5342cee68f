"""Which version answers: labels, shares of the traffic and shadows, as `<models>/<name>/labels.json` has them.

    {"stable": 3, "canary": {"version": 4, "share": 0.05}, "next": {"version": 5, "shadow": true}}

A label names a version. `share` gives it that part of the requests that name neither version nor label; `shadow` lets it run, unseen, on
what the answering version is asked. What is left goes to `stable`, or to the newest version where no label is called so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.contract.manifest import ArtifactError

LABELS = "labels.json"
STABLE = "stable"
MAX_BYTES = 64_000
LABEL_PATTERN = r"^[a-z][a-z0-9_-]{0,63}$"


class Label(BaseModel, defer_build=True):
    """A version with a name."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    version: int = Field(ge=1)
    share: float = Field(default=0.0, ge=0.0, le=1.0)
    shadow: bool = False


@cache
def _labels() -> TypeAdapter[dict[str, Label | Annotated[int, Field(strict=True, ge=1)]]]:
    return TypeAdapter(dict[str, Label | Annotated[int, Field(strict=True, ge=1)]])  # making it takes time, and few models have labels


@dataclass(frozen=True, slots=True)
class Traffic:
    """The labels of one model."""

    labels: Mapping[str, Label] = field(default_factory=dict)

    def version_of(self, label: str) -> int | None:
        """The version with this label."""
        found = self.labels.get(label)
        return None if found is None else found.version

    def choose(self, versions: Collection[int], draw: Callable[[], float]) -> int:
        """The version for a request that names none; `draw` gives numbers from 0 up to 1."""
        left = draw() if self.labels else 1.0
        for label in self.labels.values():
            if left < label.share:
                return label.version
            left -= label.share
        return self.version_of(STABLE) or max(versions)

    def shadow(self) -> int | None:
        """The version that runs unseen."""
        return next((label.version for label in self.labels.values() if label.shadow), None)


def read_traffic(folder: Path) -> Traffic:
    """The labels of the model whose versions lie in `folder`; none where there is no labels.json.

    Raises:
        ArtifactError: the file is not what this module says.
    """
    path = folder / LABELS
    if not path.exists():
        return Traffic()
    try:
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            raise ArtifactError(f"{LABELS} is a link or over {MAX_BYTES} bytes")
        said = _labels().validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{LABELS} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ArtifactError(f"{LABELS}: {where or 'the file'}: {error.errors()[0]['msg']}: write label -> version, or an object") from error
    labels = {name: Label(version=label) if isinstance(label, int) else label for name, label in said.items()}
    _check(labels)
    return Traffic(labels)


def chosen(policy: str, versions: Collection[int], traffic: Traffic) -> list[int]:
    """Those of a model's versions that are served, rising; `policy` is `all`, `latest:N` or `listed`. What has a label always is."""
    labelled = {label.version for label in traffic.labels.values()}
    kind, _, count = policy.partition(":")
    match kind:
        case "all":
            wanted = set(versions)
        case "latest":
            wanted = {*sorted(versions)[-int(count) :], *labelled}
        case _:
            wanted = labelled
    return sorted(wanted.intersection(versions))


def _check(labels: Mapping[str, Label]) -> None:
    for name, label in labels.items():
        if not re.fullmatch(LABEL_PATTERN, name):
            raise ArtifactError(f"{LABELS}: not a label: {name!r}; use lower-case letters, digits, dash and underscore, a letter first")
        if label.shadow and label.share:
            raise ArtifactError(f"{LABELS}: {name} has a share and is a shadow: it answers or it does not")
    if sum(label.share for label in labels.values()) > 1 + 1e-9:
        raise ArtifactError(f"{LABELS}: the shares are over 1 altogether")
    if sum(label.shadow for label in labels.values()) > 1:
        raise ArtifactError(f"{LABELS}: at most one label is a shadow")

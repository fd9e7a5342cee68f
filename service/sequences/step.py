"""One step of a sequence as a request asks for it, and what it is where the sequence stands."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np

from service.contract.golden import Tensors
from service.sequences.errors import SequenceConflict, SequenceNotFound
from service.sequences.standing import Absence, Standing

Move = Literal["begin", "advance", "repeat"]
"""From zeros; on from where the sequence stands; or the last step again, which leaves it where it stands."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a request says of its sequence. `index` counts the steps from 0 at the start; None stands for whichever is next."""

    sequence: int | str
    start: bool = False
    end: bool = False
    index: int | None = None

    @property
    def name(self) -> str:
        """By which the sequence is known: 7 and "7" are the same."""
        return str(self.sequence)

    def fingerprint(self, inputs: Tensors) -> str:
        """Equal for the same step of the same inputs, as a client sends it again that got no answer."""
        seen = sha256(f"{self.start} {self.end}".encode())
        for name, array in sorted(inputs.items()):
            seen.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
            seen.update(np.ascontiguousarray(array).data)
        return seen.hexdigest()


def move_of(step: Step, found: Standing | Absence, *, model: str, idle_s: float) -> Move:
    """What a step is; without an index it is never a repetition, and a start begins whatever there is.

    Raises:
        SequenceNotFound: there is nothing to go on from; `model` and `idle_s` are named in it.
        SequenceConflict: its index is neither that of the next step nor that of the last.
    """
    standing = found if isinstance(found, Standing) else None
    live = standing is not None and not standing.ended
    if step.start and not (live and step.index is not None):
        return "begin"
    if standing is None or (standing.ended and step.index != standing.steps - 1):
        raise SequenceNotFound(model, step.name, found if isinstance(found, str) else "ended", idle_s=idle_s)
    if step.index is None or step.index == standing.steps:
        return "advance"
    if step.index == standing.steps - 1:
        return "repeat"
    raise conflict(step, standing)


def conflict(step: Step, standing: Standing) -> SequenceConflict:
    """The error of a step that is stale, that skips others, or that is not what was sent under its index before."""
    at = "has ended" if standing.ended else f"is at step {standing.steps}, not {step.index}"
    if step.start:
        why = "begin it again without a sequence_index, or end it first"
    elif step.index is not None and step.index > standing.steps:
        why = "steps between are missing"
    elif step.index == standing.steps - 1:
        why = f"step {step.index} was taken otherwise, and can be sent again only as it was"
    else:
        why = f"step {step.index} was taken before, and only step {standing.steps - 1} can be sent again"
    return SequenceConflict(f"sequence {step.name!r} of {standing.model!r} {at}: {why}")

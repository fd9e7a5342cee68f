"""A sequence put back from its bytes: every part of it held against the model that is to go on with it."""

from __future__ import annotations

import numpy as np

from service.contract.golden import DTYPES, Tensors
from service.contract.manifest import Manifest
from service.errors import BadQuestion
from service.lifecycle.registry import ModelRegistry
from service.sequences.attempt import model_of
from service.sequences.portable import parsed
from service.sequences.standing import Key, Standing, new_revision


def restored(data: bytes, key: Key, registry: ModelRegistry) -> Standing:
    """The standing that was exported, as one of this key.

    Raises:
        BadQuestion: these are no bytes of an export, or they are of another model, or their states are not those of its graph.
        SequenceConflict: the version that they are of is not served here, or its graph is another.
    """
    try:
        standing = parsed(data, revision=new_revision())
    except ValueError as error:
        raise BadQuestion(f"{error}: send what GET gave") from error
    if standing.model != key.model:
        raise BadQuestion(f"this is a sequence of {standing.model!r}, not of {key.model!r}: put it there")
    if standing.ended:
        raise BadQuestion("this sequence has ended: there is nothing to go on with")
    manifest = model_of(standing, key.sequence, registry).manifest
    for states in (standing.before, standing.after):
        _check_states(states, manifest)
    return standing


def _check_states(states: Tensors, manifest: Manifest) -> None:
    if set(states) != set(manifest.state):
        raise BadQuestion(f"states of {', '.join(sorted(states)) or 'nothing'}: {manifest.name!r} has {', '.join(sorted(manifest.state))}")
    for spec in manifest.inputs:
        array = states.get(spec.name)
        if array is None:
            continue
        shape = (1, *spec.shape[1:])
        if array.dtype != DTYPES[spec.datatype] or array.shape != shape:
            raise BadQuestion(f"state {spec.name!r} is {array.dtype} of shape {list(array.shape)}, not {spec.datatype} of {list(shape)}")
        if not np.isfinite(array).all():
            raise BadQuestion(f"state {spec.name!r} holds what is not finite: no sequence goes on from that")

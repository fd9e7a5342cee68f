"""Outputs of a graph -> what a request wants of them: bytes, or the names of the largest."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from struct import pack
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import ClassifyTask, Manifest, NextWordTask
from service.contract.subwords import AnyTokenizer
from service.oip.parameters import OutputParameters
from service.tasks.dialogue import QuestionError

MAX_CLASSES = 100_000
"""Strings of the classifications of one answer."""


class Asked(Protocol):
    """An output as a request names it."""

    @property
    def name(self) -> str:
        """Its name in the graph."""
        ...

    @property
    def parameters(self) -> OutputParameters | None:
        """How it is wanted."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output to answer with: as bytes or in JSON; `classes` of each row, or all of it where that is 0."""

    name: str
    binary: bool
    classes: int = 0


def chosen_outputs(manifest: Manifest, asked: Sequence[Asked], *, rows: int, binary: bool, kept: Container[str] = ()) -> list[Wanted]:
    """The outputs to answer with; `rows` is the batch, `binary` how those come that do not say.

    Where none is asked for all of them, but for those that are `kept` here for the next step of a sequence.

    Raises:
        QuestionError: one of them the graph has not, is here twice, or is wanted in a way that is not served.
    """
    known = [spec.name for spec in manifest.outputs]
    if not asked:
        return [Wanted(name, binary) for name in known if name not in kept]
    chosen: dict[str, Wanted] = {}
    for position, output in enumerate(asked):
        where = ("outputs", position)
        if output.name not in known:
            raise QuestionError(f"no output {output.name!r}: this model gives {', '.join(known)}", where=(*where, "name"))
        if output.name in chosen:
            raise QuestionError(f"output {output.name!r} is here twice", where=(*where, "name"))
        parameters = output.parameters
        if parameters is None:
            chosen[output.name] = Wanted(output.name, binary)
            continue
        if parameters.shared_memory_region is not None:
            message = "no memory is shared with callers: the tensor comes in the body"
            raise QuestionError(message, where=(*where, "parameters", "shared_memory_region"))
        if parameters.classification * rows > MAX_CLASSES:
            message = f"over {MAX_CLASSES} classes in one answer: ask for fewer of each row, or send fewer rows"
            raise QuestionError(message, where=(*where, "parameters", "classification"))
        as_bytes = binary if parameters.binary_data is None else parameters.binary_data
        chosen[output.name] = Wanted(output.name, as_bytes, parameters.classification)
    return list(chosen.values())


def classifications(array: NDArray[Any], classes: int, labels: Sequence[str] = ()) -> list[list[str]]:
    """Of each row the `classes` largest values, largest first, each `value:index[:label]`; a row's axes are taken as one."""
    rows = array.reshape(len(array), -1)
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :classes]  # NaN goes last
    write = "{:d}" if array.dtype.kind in "bi" else "{:f}"
    return [
        [f"{write.format(row[index].item())}:{index}" + (f":{labels[index]}" if index < len(labels) else "") for index in best]
        for row, best in zip(rows, order.tolist(), strict=True)
    ]


def value_names(manifest: Manifest, output: str, tokenizer: AnyTokenizer | None) -> Sequence[str]:
    """Names of the values along the last axis of an output, where they have any."""
    match manifest.task:
        case ClassifyTask(labels=labels) if output == "probabilities":
            return labels
        case NextWordTask() if output == "log_probs" and tokenizer is not None:
            return tokenizer.words
        case _:
            return ()


def tensor_bytes(array: NDArray[Any]) -> bytes:
    """Row-major, little-endian."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def text_bytes(texts: Sequence[str]) -> bytes:
    """Each with its length before it, 4 bytes."""
    return b"".join(pack("<I", len(text)) + text for text in map(str.encode, texts))

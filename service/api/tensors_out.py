"""Open Inference Protocol v2: numpy -> tensors of an answer, in JSON or as bytes behind it, whole or as classifications.

JSON has no NaN and no infinity: `null` stands for them. Bytes are row-major and little-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.api.protocol import InferBody
from service.contract.golden import Tensors
from service.contract.manifest import ClassifyTask, Manifest, NextWordTask
from service.contract.tokenizer import WordTokenizer
from service.tasks.dialogue import QuestionError

MAX_CLASSES = 100_000
"""Strings of the classifications of one answer."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output to answer with: as bytes or in JSON; `classes` of each row, or all of it where that is 0."""

    name: str
    binary: bool
    classes: int = 0


def wanted_outputs(manifest: Manifest, body: InferBody) -> list[Wanted]:
    """The outputs to answer with.

    Raises:
        QuestionError: one of them the graph has not, is here twice, or is wanted in a way that is not served.
    """
    known = [spec.name for spec in manifest.outputs]
    binary = body.parameters is not None and body.parameters.binary_data_output
    if not body.outputs:
        return [Wanted(name, binary) for name in known]
    chosen: dict[str, Wanted] = {}
    for position, output in enumerate(body.outputs):
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
        if parameters.classification * body.inputs[0].shape[0] > MAX_CLASSES:
            message = f"over {MAX_CLASSES} classes in one answer: ask for fewer of each row, or send fewer rows"
            raise QuestionError(message, where=(*where, "parameters", "classification"))
        as_bytes = binary if parameters.binary_data is None else parameters.binary_data
        chosen[output.name] = Wanted(output.name, as_bytes, parameters.classification)
    return list(chosen.values())


def encode(
    manifest: Manifest, body: InferBody, wanted: Sequence[Wanted], outputs: Tensors, *, tokenizer: WordTokenizer | None = None
) -> tuple[bytes, int | None]:
    """The answer to a body, and how many bytes of it are JSON where tensors follow as bytes."""
    answer: Json = {"model_name": manifest.name, "model_version": str(manifest.version)}
    if body.id is not None:
        answer["id"] = body.id
    datatypes = {spec.name: spec.datatype for spec in manifest.outputs}
    answer["outputs"] = tensors = []
    behind: list[bytes] = []
    for output in wanted:
        if output.classes:
            labels = _labels(manifest, output.name, tokenizer)
            tensor, data = _classified(output, outputs[output.name], labels)
        else:
            tensor, data = _whole(output, outputs[output.name], datatypes[output.name])
        tensors.append(tensor)
        behind.append(data)
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(output.binary for output in wanted):
        return head, None
    return b"".join((head, *behind)), len(head)


def classifications(array: NDArray[Any], classes: int, labels: Sequence[str] = ()) -> list[list[str]]:
    """Of each row the `classes` largest values, largest first, each `value:index[:label]`; a row's axes are taken as one."""
    rows = array.reshape(len(array), -1)
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :classes]  # NaN goes last
    write = "{:d}" if array.dtype.kind in "bi" else "{:f}"
    return [
        [f"{write.format(row[index].item())}:{index}" + (f":{labels[index]}" if index < len(labels) else "") for index in best]
        for row, best in zip(rows, order.tolist(), strict=True)
    ]


def _whole(output: Wanted, array: NDArray[Any], datatype: str) -> tuple[Json, bytes]:
    array = np.ascontiguousarray(array)
    tensor: Json = {"name": output.name, "datatype": datatype, "shape": array.shape}
    if not output.binary:
        return {**tensor, "data": array.ravel()}, b""
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return {**tensor, "parameters": {"binary_data_size": len(data)}}, data


def _classified(output: Wanted, array: NDArray[Any], labels: Sequence[str]) -> tuple[Json, bytes]:
    rows = classifications(array, output.classes, labels)
    texts = [text for row in rows for text in row]
    tensor: Json = {"name": output.name, "datatype": "BYTES", "shape": [len(rows), len(texts) // len(rows)]}
    if not output.binary:
        return {**tensor, "data": texts}, b""
    data = b"".join(pack("<I", len(text)) + text for text in map(str.encode, texts))
    return {**tensor, "parameters": {"binary_data_size": len(data)}}, data


def _labels(manifest: Manifest, output: str, tokenizer: WordTokenizer | None) -> Sequence[str]:
    """Names of the values along the last axis of an output, where they have any."""
    match manifest.task:
        case ClassifyTask(labels=labels) if output == "probabilities":
            return labels
        case NextWordTask() if output == "log_probs" and tokenizer is not None:
            return tokenizer.words
        case _:
            return ()

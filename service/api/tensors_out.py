"""Open Inference Protocol v2 over HTTP: numpy -> tensors of an answer, in JSON or as bytes behind it, whole or as classifications.

JSON has no NaN and no infinity: `null` stands for them. Bytes are row-major and little-endian.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.api.protocol import InferBody
from service.contract.golden import Tensors
from service.contract.manifest import Manifest
from service.contract.subwords import AnyTokenizer
from service.oip.tensors_out import Wanted, chosen_outputs, classifications, tensor_bytes, text_bytes, value_names

Json = dict[str, Any]


def wanted_outputs(manifest: Manifest, body: InferBody, *, kept: Container[str] = ()) -> list[Wanted]:
    """The outputs to answer with; as `chosen_outputs`."""
    binary = body.parameters is not None and body.parameters.binary_data_output
    return chosen_outputs(manifest, body.outputs or (), rows=body.inputs[0].shape[0], binary=binary, kept=kept)


def encode(
    manifest: Manifest,
    body: InferBody,
    wanted: Sequence[Wanted],
    outputs: Tensors,
    *,
    tokenizer: AnyTokenizer | None = None,
    parameters: Mapping[str, int | str] | None = None,
) -> tuple[bytes, int | None]:
    """The answer to a body with these parameters, and how many bytes of it are JSON where tensors follow as bytes."""
    answer: Json = {"model_name": manifest.name, "model_version": str(manifest.version)}
    if body.id is not None:
        answer["id"] = body.id
    if parameters:
        answer["parameters"] = parameters
    datatypes = {spec.name: spec.datatype for spec in manifest.outputs}
    answer["outputs"] = tensors = []
    behind: list[bytes] = []
    for output in wanted:
        if output.classes:
            labels = value_names(manifest, output.name, tokenizer)
            tensor, data = _classified(output, outputs[output.name], labels)
        else:
            tensor, data = _whole(output, outputs[output.name], datatypes[output.name])
        tensors.append(tensor)
        behind.append(data)
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(output.binary for output in wanted):
        return head, None
    return b"".join((head, *behind)), len(head)


def _whole(output: Wanted, array: NDArray[Any], datatype: str) -> tuple[Json, bytes]:
    array = np.ascontiguousarray(array)
    tensor: Json = {"name": output.name, "datatype": datatype, "shape": array.shape}
    if not output.binary:
        return {**tensor, "data": array.ravel()}, b""
    data = tensor_bytes(array)
    return {**tensor, "parameters": {"binary_data_size": len(data)}}, data


def _classified(output: Wanted, array: NDArray[Any], labels: Sequence[str]) -> tuple[Json, bytes]:
    rows = classifications(array, output.classes, labels)
    texts = [text for row in rows for text in row]
    tensor: Json = {"name": output.name, "datatype": "BYTES", "shape": [len(rows), len(texts) // len(rows)]}
    if not output.binary:
        return {**tensor, "data": texts}, b""
    data = text_bytes(texts)
    return {**tensor, "parameters": {"binary_data_size": len(data)}}, data

"""Refuse ONNX files whose weights lie outside them.

An ONNX tensor may name an external file; loaders that follow it have read files outside the model's folder (CVE-2022-25882,
CVE-2024-27318). This walks the protobuf wire format down to every tensor, without parsing weights and without the `onnx` package.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.contract.manifest import ArtifactError

# message -> field number -> message of that field, for the fields that lead to a tensor (onnx.proto3)
_FIELDS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}
_EXTERNAL_DATA = 13
_DATA_LOCATION = 14
_MAX_DEPTH = 64


def refuse_external_data(model: bytes, *, what: str = "model.onnx") -> None:
    """Do nothing when every tensor lies in the file, which the messages call `what`.

    Raises:
        ArtifactError: a tensor has external data, or these bytes are not an ONNX model.
    """
    try:
        _walk(memoryview(model), "Model", 0)
    except (IndexError, RecursionError) as error:
        raise ArtifactError(f"{what} is not an ONNX file") from error
    except _Refused as refusal:
        raise ArtifactError(f"{what} {refusal}") from refusal


class _Refused(Exception):  # noqa: N818 - it says what the file does, for the message that names it
    """The rest of a sentence that begins with the file's name."""


def _walk(data: memoryview, message: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _Refused(f"nests graphs more than {_MAX_DEPTH} deep")
    for number, value in _fields(data):
        if message == "Tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                raise _Refused("keeps weights in another file: export it with its weights inside")
        elif (inner := _FIELDS[message].get(number)) and isinstance(value, memoryview):
            _walk(value, inner, depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Field numbers and values: bytes of length-delimited fields, numbers of the others."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                value, at = _varint(data, at)
                yield key >> 3, value
            case 1:
                at += 8
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise _Refused("is cut short")
                yield key >> 3, data[at : at + size]
                at += size
            case 5:
                at += 4
            case _:
                raise _Refused("is not an ONNX file")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise _Refused("is not an ONNX file")

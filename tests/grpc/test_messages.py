"""The messages: those of open_inference.proto, and those that public clients know."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tritonclient.grpc import model_config_pb2, service_pb2

from service.grpc_api import messages

from .descriptors import FOLDER, described

MESSAGES = sorted(messages.DESCRIPTOR.message_types_by_name)
OF_KSERVE = {("RepositoryModelLoadResponse", "model_name"), ("RepositoryModelLoadResponse", "isLoaded")} | {
    ("RepositoryModelUnloadResponse", "model_name"),
    ("RepositoryModelUnloadResponse", "isUnloaded"),
}
"""Fields that Triton's clients do not know, and let pass."""


def test_what_python_reads_is_made_of_the_proto_file():
    for name, data in described().items():
        assert (FOLDER / name).read_bytes() == data, "run `python -m tests.grpc.descriptors`"


@pytest.mark.parametrize("name", MESSAGES)
def test_every_field_has_the_number_and_type_that_tritons_clients_know(name: str):
    theirs = {**service_pb2.DESCRIPTOR.message_types_by_name, **model_config_pb2.DESCRIPTOR.message_types_by_name}

    assert fields(messages.DESCRIPTOR.message_types_by_name[name]).items() <= fields(theirs[name]).items()


def test_every_call_is_the_one_that_tritons_clients_know():
    ours, theirs = (file.services_by_name["GRPCInferenceService"] for file in (messages.DESCRIPTOR, service_pb2.DESCRIPTOR))

    assert ours.full_name == theirs.full_name == "inference.GRPCInferenceService"
    assert calls(ours) == calls(theirs)


def fields(message: Descriptor) -> dict[str, Any]:
    """Field -> number and type, nested ones by their paths; those left out that Triton has not."""
    found: dict[str, Any] = {}
    for field in message.fields:
        if (message.name, field.name) in OF_KSERVE:
            continue
        kind = field.message_type.full_name if field.message_type else field.enum_type.full_name if field.enum_type else field.type
        found[field.name] = (field.number, kind, many(field))
        if field.enum_type:
            found |= {f"{field.name}.{value.name}": value.number for value in field.enum_type.values}
    for nested in message.nested_types:
        found |= {f"{nested.name}.{name}": said for name, said in fields(nested).items()}
    return found


def many(field: FieldDescriptor) -> bool:
    return field.is_repeated


def calls(service: Any) -> dict[str, Any]:
    return {
        method.name: (method.input_type.full_name, method.output_type.full_name, method.client_streaming, method.server_streaming)
        for method in service.methods
    }

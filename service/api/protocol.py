"""Open Inference Protocol v2: the body of a request for inference, and of its answer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from service.api import examples
from service.api.body import Body, Headers, parse_body
from service.errors import MalformedBody
from service.oip.parameters import InputParameters, OutputParameters, RequestParameters
from service.oip.tensors_in import MAX_TENSORS

LENGTH_HEADER = "Inference-Header-Content-Length"
"""Where tensors follow the JSON as bytes: how long the JSON is."""

Name = Annotated[str, Field(max_length=200)]


class InputTensor(Body):
    """One input of the graph."""

    name: Name = Field(description="Its name in the graph.")
    shape: list[Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=16, description="Batch first.")
    datatype: str = Field(max_length=20, description="`FP32`, `INT64`, ...")
    parameters: InputParameters | None = Field(default=None, description="How it is sent.")
    data: list[Any] | None = Field(default=None, description="Numbers in row-major order, flat or nested as the shape; null is NaN.")


class WantedOutput(Body):
    """One output that is wanted."""

    name: Name = Field(description="Its name in the graph.")
    parameters: OutputParameters | None = Field(default=None, description="How it is wanted.")


class InferBody(Body):
    """A run of a model's graph on tensors."""

    id: str | None = Field(default=None, max_length=200, description="Comes back with the answer.")
    model_name: Name | None = Field(default=None, description="Some clients repeat it here; the path counts.")
    model_version: Name | None = Field(default=None, description="Some clients repeat it here; the path counts.")
    parameters: RequestParameters | None = Field(default=None, description="How to run it.")
    inputs: list[InputTensor] = Field(
        min_length=1, max_length=MAX_TENSORS, description="Every input of the graph; of a step of a sequence all but its states."
    )
    outputs: list[WantedOutput] | None = Field(
        default=None, max_length=MAX_TENSORS, description="The outputs wanted; by default all, of a step of a sequence all but its states."
    )
    binary: ClassVar[memoryview] = memoryview(b"")
    """What follows the JSON: tensors as bytes, in the order of `inputs`."""

    @classmethod
    def read(cls, data: bytes, headers: Headers) -> Self:
        """The body, divided where `Inference-Header-Content-Length` says.

        Raises:
            MalformedBody: that header is no length within the body, or is here twice; or what `parse_body` raises.
        """
        length = _json_length(headers, len(data))
        if length is None:
            return parse_body(cls, data)
        body = parse_body(cls, data[:length])
        body.__dict__["binary"] = memoryview(data)[length:]  # a private attribute of pydantic's would cost every request some microseconds
        return body


class OutputTensor(BaseModel, defer_build=True):
    """One output of the graph."""

    name: str = Field(description="Its name in the graph.")
    datatype: str = Field(description="`FP32`, `INT64`, ...; `BYTES` of a classification.")
    shape: list[int] = Field(description="Batch first.")
    data: list[float | int | bool | str | None] = Field(description="Flat, row-major; null is NaN or an infinity.")


class InferAnswer(BaseModel, defer_build=True):
    """What the graph gave."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"examples": [examples.INFER_ANSWER]})

    model_name: str = Field(description="Model that answered.")
    model_version: str = Field(description="Its version.")
    id: str | None = Field(default=None, description="As it was sent; left out where none was.")
    parameters: dict[str, int | str] | None = Field(
        default=None, description="Of a step of a sequence: its `sequence_id` and `sequence_index`; else left out."
    )
    outputs: list[OutputTensor] = Field(description="The outputs that were asked for.")


def _json_length(headers: Headers, size: int) -> int | None:
    wanted = LENGTH_HEADER.lower().encode()
    found = [value for name, value in headers if name == wanted]
    if not found:
        return None
    value = found[0]
    if len(found) > 1 or not value.isdigit() or len(value) > 18 or int(value) > size:
        raise MalformedBody(f"{LENGTH_HEADER} must be here once, and be the bytes of JSON at the start of a body of {size}")
    return int(value)

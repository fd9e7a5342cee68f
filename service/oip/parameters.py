"""Parameters of inputs, outputs and requests for inference."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.tasks.dialogue import QuestionError

SharedMemory = Annotated[Any, Field(description="Refused: no memory is shared with callers, tensors go in bodies.")]


class Parameters(BaseModel):
    """Parameters of the protocol; others are let pass unread, as the protocol allows."""

    model_config = ConfigDict(strict=True, extra="ignore")


class InputParameters(Parameters):
    """Parameters of an input."""

    binary_data_size: int | None = Field(default=None, ge=0, description="Bytes of this tensor behind the JSON, instead of `data`.")
    shared_memory_region: SharedMemory = None


class OutputParameters(Parameters):
    """Parameters of an output."""

    binary_data: bool | None = Field(default=None, description="Whether it comes as bytes behind the JSON.")
    classification: int = Field(default=0, ge=0, description="Instead of the tensor the k largest of each row, `value:index[:label]`.")
    shared_memory_region: SharedMemory = None


class RequestParameters(Parameters):
    """Parameters of a request."""

    binary_data_output: bool = Field(default=False, description="Whether outputs come as bytes where they do not say.")
    priority: int = Field(default=0, ge=0, description="1 goes first; 0 is the middle.")
    timeout: int = Field(default=0, ge=0, description="Microseconds until the answer is of no more use; 0: as the service says.")
    sequence_id: int | str = Field(default=0, description="Refused unless 0 or empty: state is sent as tensors.")


NO_PARAMETERS = RequestParameters()
"""Of a request that has none."""


def refuse_sequence(parameters: RequestParameters) -> None:
    """Do nothing to a request that stands for itself.

    Raises:
        QuestionError: it is one of a sequence.
    """
    if parameters.sequence_id not in (0, "", "0"):
        message = "no state is kept between requests: send each state as a tensor, and the one that came back with the next request"
        raise QuestionError(message, where=("parameters", "sequence_id"))

"""Parameters of inputs, outputs and requests for inference."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from service.sequences.step import Step
from service.tasks.dialogue import QuestionError

MAX_SEQUENCE_ID = 128
"""Characters of the name of a sequence, as of Triton's."""
MAX_INDEX = 2**53 - 1


def _one_message(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - whatever JSON there is
    """What is wrong with an id, for which the number and the text would each have their own say."""
    try:
        return handler(value)
    except ValidationError:
        message = f"this should be a whole number from 0 to 2^64 - 1, or text of at most {MAX_SEQUENCE_ID} characters"
        raise PydanticCustomError("sequence_id", message) from None


SharedMemory = Annotated[Any, Field(description="Refused: no memory is shared with callers, tensors go in bodies.")]
SequenceId = Annotated[
    Annotated[int, Field(ge=0, lt=2**64)] | Annotated[str, Field(max_length=MAX_SEQUENCE_ID)], WrapValidator(_one_message)
]


class Parameters(BaseModel, defer_build=True):
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
    sequence_id: SequenceId = Field(
        default=0, description="The sequence of which this is a step: its states are kept here, and left out of inputs. 0 or empty: none."
    )
    sequence_start: bool = Field(default=False, description="Whether the sequence begins with this step, from states of zero.")
    sequence_end: bool = Field(default=False, description="Whether it ends with this step.")
    sequence_index: int | None = Field(
        default=None,
        ge=0,
        le=MAX_INDEX,
        description="Which step this is, 0 at the start: one that is sent again does not advance, one that is not next is refused.",
    )


NO_PARAMETERS = RequestParameters.model_construct()  # which builds no validator: most services are not asked so
"""Of a request that has none."""


def asked_step(parameters: RequestParameters) -> Step | None:
    """The step that a request is of its sequence; None where it stands for itself.

    Raises:
        QuestionError: what it says of its sequence does not go together.
    """
    sequence, index = parameters.sequence_id, parameters.sequence_index
    start, end = parameters.sequence_start, parameters.sequence_end
    if sequence in (0, "", "0"):
        if start or end or index is not None:
            raise QuestionError("which sequence? name it by a number from 1 or by text", where=("parameters", "sequence_id"))
        return None
    if start and index not in (None, 0):
        raise QuestionError(f"a sequence starts with step 0, not {index}", where=("parameters", "sequence_index"))
    return Step(sequence, start, end, index)

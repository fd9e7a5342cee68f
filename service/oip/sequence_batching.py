"""How sequences of a model with state are run, in the words of Triton's configuration."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.contract.manifest import Manifest
from service.sequences.opening import keeps_sequences
from service.settings import Settings


class InitialState(BaseModel, defer_build=True):
    """What a state is at a start."""

    name: str = Field(description="Says what it is.")
    data_type: str = Field(description="`TYPE_FP32`, ...")
    dims: list[int] = Field(description="Its shape without the batch.")
    zero_data: bool = Field(description="It is zeros.")


class State(BaseModel, defer_build=True):
    """A state that is kept from step to step."""

    input_name: str = Field(description="The graph's input.")
    output_name: str = Field(description="The output that continues it.")
    data_type: str = Field(description="`TYPE_FP32`, ...")
    dims: list[int] = Field(description="Its shape without the batch.")
    initial_state: list[InitialState] = Field(description="What it is at a start.")


class Oldest(BaseModel, defer_build=True):
    """Steps of several sequences are put together, the oldest first."""

    max_candidate_sequences: int = Field(description="Most sequences at a time.")
    max_queue_delay_microseconds: int = Field(description="How long a batch that is not full waits; 0: not at all.")


class SequenceBatching(BaseModel, defer_build=True):
    """How steps of sequences are put together."""

    max_sequence_idle_microseconds: int = Field(description="After which a sequence that nobody goes on with is forgotten.")
    state: list[State] = Field(description="States, each under the name of its input.")
    oldest: Oldest = Field(description="Steps of several sequences run as one batch.")


def sequence_batching(manifest: Manifest, settings: Settings) -> SequenceBatching | None:
    """That of one version; None where it has no state, or none is kept here."""
    if not manifest.state or not keeps_sequences(settings):
        return None
    return SequenceBatching(
        max_sequence_idle_microseconds=round(settings.sequence_idle_s * 1_000_000),
        state=_states(manifest),
        oldest=Oldest(
            max_candidate_sequences=settings.max_sequences,
            max_queue_delay_microseconds=round(settings.max_queue_delay_ms * 1000),
        ),
    )


def _states(manifest: Manifest) -> list[State]:
    specs = {spec.name: spec for spec in manifest.inputs}
    states = []
    for name, output in manifest.state.items():
        kind, dims = f"TYPE_{specs[name].datatype}", list(specs[name].shape[1:])
        initial = InitialState(name=f"{name} of zeros", data_type=kind, dims=dims, zero_data=True)
        states.append(State(input_name=name, output_name=output, data_type=kind, dims=dims, initial_state=[initial]))
    return states

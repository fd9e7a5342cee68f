"""What models have done since they were loaded, in the words of the statistics extension."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.served_model import ServedModel


class Duration(BaseModel, defer_build=True):
    """How often something was done, and how long that took."""

    model_config = ConfigDict(from_attributes=True)

    count: int = Field(default=0, description="Times.")
    ns: int = Field(default=0, description="Nanoseconds altogether.")


class InferenceStatistics(BaseModel, defer_build=True):
    """Requests and their phases. Nothing is cached: the two about a cache stay 0."""

    model_config = ConfigDict(from_attributes=True)

    success: Duration = Field(description="Requests answered, from the queue to the answer.")
    fail: Duration = Field(description="Requests that the graph failed on or that came too late.")
    queue: Duration = Field(description="Waiting for the graph.")
    compute_input: Duration = Field(description="Putting requests together.")
    compute_infer: Duration = Field(description="Running the graph.")
    compute_output: Duration = Field(description="Taking answers apart.")
    cache_hit: Duration = Duration()
    cache_miss: Duration = Duration()


class BatchStatistics(BaseModel, defer_build=True):
    """Runs of the graph on one number of rows."""

    model_config = ConfigDict(from_attributes=True)

    batch_size: int = Field(description="Rows.")
    compute_input: Duration = Field(description="Putting requests together.")
    compute_infer: Duration = Field(description="Running the graph.")
    compute_output: Duration = Field(description="Taking answers apart.")


class ModelStatistics(BaseModel, defer_build=True):
    """What one version has done."""

    name: str = Field(description="The model.")
    version: str = Field(description="Its version.")
    last_inference: int = Field(description="Unix time of the last run in milliseconds; 0 before the first.")
    inference_count: int = Field(description="Rows.")
    execution_count: int = Field(description="Runs of the graph.")
    inference_stats: InferenceStatistics = Field(description="Requests and their phases.")
    batch_stats: list[BatchStatistics] = Field(description="Runs by their number of rows.")


class Statistics(BaseModel, defer_build=True):
    """What models have done since they were loaded."""

    model_config = ConfigDict(protected_namespaces=())

    model_stats: list[ModelStatistics] = Field(description="One for each version.")


def model_statistics(models: list[ServedModel]) -> Statistics:
    """Those of these versions."""
    return Statistics(model_stats=[_of(model) for model in models])


def _of(model: ServedModel) -> ModelStatistics:
    done = model.statistics()
    return ModelStatistics(
        name=model.manifest.name,
        version=str(model.manifest.version),
        last_inference=done.last_inference_ms,
        inference_count=done.inference_count,
        execution_count=done.execution_count,
        inference_stats=InferenceStatistics.model_validate(done),
        batch_stats=[BatchStatistics.model_validate(batch) for batch in done.batch_stats],
    )

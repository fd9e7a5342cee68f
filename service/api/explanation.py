"""Explanations of forecasts over HTTP: what moved them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from service.tasks.explain import Explanation


class InputEffect(BaseModel, defer_build=True):
    """What an input does to the point forecast over the horizon; null where the model gives no number without it."""

    effect: float | None = Field(description="Mean of the absolute changes, in units of the series.")
    change: float | None = Field(description="Mean of the signed changes: above 0 where the input raises the forecast.")


class SegmentEffect(InputEffect):
    """What a part of the history does."""

    from_step: int = Field(description="Its first step, counted back from the end of the history: the last one is -1.")
    to_step: int = Field(description="The step after its last.")


class ForecastExplanation(BaseModel, defer_build=True):
    """What moved the forecast, most first: each input in turn was set missing. Effects do not add up."""

    covariates: dict[str, InputEffect] = Field(
        description="Covariate, calendar feature or static column -> its effect, over history and horizon."
    )
    history: list[SegmentEffect] = Field(description="Parts of the history that the model has read, largest effect first.")


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation, ready for JSON."""
    return {
        "covariates": {name: asdict(effect) for name, effect in explanation.covariates.items()},
        "history": [
            {"from_step": segment.from_step, "to_step": segment.to_step, **asdict(segment.effect)} for segment in explanation.history
        ],
    }

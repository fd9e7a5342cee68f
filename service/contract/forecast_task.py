"""What a manifest says of a forecaster."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from service.contract.calendar import FEATURES, HOLIDAY_FEATURES
from service.contract.clock import Clock
from service.contract.entry import Entry
from service.contract.frequency import Frequency
from service.contract.static_column import StaticColumn
from service.contract.time_zone import check_zone


class ForecastTask(Entry):
    """Past values of a series -> quantiles of its next `horizon` values, both in the units of the data.

    Graph inputs: `target` (batch, time), NaN where missing; `past` (batch, time, past columns) where `past` is not empty;
    `future` (batch, time + horizon, known columns) where `known` is not empty; `static` (batch, static columns), whole numbers, where
    `static` is not empty: the position of the series' category among the column's, from 1 on, 0 for any other. Output: `quantiles`
    (batch, horizon, quantiles), rising along the last axis. `lower` and `integer` hold for answers, not for the graph.
    """

    kind: Literal["forecast"] = "forecast"
    target: str = Field(description="Column that is forecast.")
    horizon: int = Field(ge=1, le=100_000, description="Steps ahead that the graph gives.")
    context: int = Field(ge=1, le=1_000_000, description="Steps of history that the graph is fed; shorter histories are padded with NaN.")
    min_context: int = Field(ge=1, description="Fewest observed values that a history must have.")
    frequency: str = Field(description="Step of the series, for example `h`, `D`, `B`, `15min`, `MS`, `ME`.")
    quantiles: tuple[float, ...] = Field(min_length=1, description="Levels the graph gives, rising, 0.5 among them.")
    past: tuple[str, ...] = Field(default=(), description="Covariates known up to now, in the order of the graph's `past`.")
    future: tuple[str, ...] = Field(default=(), description="Covariates known over history and horizon, sent by the caller.")
    static: tuple[StaticColumn, ...] = Field(
        default=(), description="Columns of text that are the same for all of a series, in the order of the graph's `static`."
    )
    calendar: tuple[str, ...] = Field(default=(), description="Features derived from the times; they follow `future` in the graph.")
    time_zone: str | None = Field(
        default=None,
        description="IANA time zone of the series: steps under a day run on UTC, features and answers are local; none: times are as sent.",
    )
    holidays: str | None = Field(
        default=None, description="Country, or part of one, of the features `holiday` and `holiday_eve`, such as `DE` or `US-CA`."
    )
    lower: float | None = Field(default=None, description="Least value that the target can have, such as 0; none: it has no bound.")
    integer: bool = Field(default=False, description="Whether the target is a whole number, such as a count.")
    step_correlation: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Correlation of the forecast errors of neighbouring steps, measured on held-out data; none: not measured.",
    )

    @property
    def known(self) -> tuple[str, ...]:
        """Columns of the graph's `future` input: those sent, then those derived from timestamps."""
        return self.future + self.calendar

    @cached_property
    def clock(self) -> Clock:
        """How the times of its series run."""
        return Clock(Frequency.parse(self.frequency), self.time_zone, self.holidays)

    @model_validator(mode="after")
    def _possible(self) -> ForecastTask:
        levels = self.quantiles
        if list(levels) != sorted(set(levels)) or not all(0 < level < 1 for level in levels) or 0.5 not in levels:
            raise ValueError(f"quantiles must rise between 0 and 1 and hold 0.5, not {list(levels)}")
        if self.min_context > self.context:
            raise ValueError(f"min_context {self.min_context} is more than context {self.context}")
        if self.integer and self.lower is not None and self.lower % 1:
            raise ValueError(f"lower {self.lower} is no whole number, though the target is")
        if len({column.name for column in self.static}) != len(self.static):
            raise ValueError("two static columns have the same name")
        Frequency.parse(self.frequency)
        if self.time_zone is not None:
            check_zone(self.time_zone)
        if unknown := set(self.calendar) - set(FEATURES):
            raise ValueError(f"unknown calendar feature {min(unknown)!r}: this release derives {', '.join(FEATURES)}")
        if self.holidays is None and (derived := sorted(set(self.calendar) & set(HOLIDAY_FEATURES))):
            raise ValueError(f"{derived[0]!r} is derived from the holidays of a country: say it as holidays, such as DE")
        return self

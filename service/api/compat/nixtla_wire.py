"""Bodies and answers of TimeGPT's protocol, as its public client `nixtla` writes and reads them.

Fields that change nothing here (how to fine-tune, how to clean covariates) are passed over, as are those of newer clients. What would
change an answer and is not here is refused by `absent`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.api.body import Body
from service.api.series import MAX_CELLS, MAX_COLUMNS
from service.tasks.dialogue import QuestionError

DEFAULT_LEVEL = 99
UNTRAINED = "models are not trained on request: train and publish one with carousel-train, then name it as `model`"
ABSENT = {
    "finetune_steps": UNTRAINED,
    "finetuned_model_id": UNTRAINED,
    "multivariate": "series are forecast one by one: leave it out",
    "model_parameters": "models have no parameters to set: leave it out",
    "feature_contributions": "contributions are not computed here: leave it out",
}
"""Fields that would change an answer -> what to do instead."""

Flat = Annotated[list[float | None], Field(max_length=MAX_CELLS, fail_fast=True)]
Columns = Annotated[list[Flat], Field(max_length=MAX_COLUMNS)]
Texts = Annotated[list[Annotated[str, Field(max_length=40)]], Field(fail_fast=True)]
Level = Annotated[int, Field(ge=0, lt=100)] | Annotated[float, Field(ge=0, lt=100)]
Levels = Annotated[list[Level], Field(max_length=100)]
Steps = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Sent(Body):
    """What a client sends, of whichever version."""

    model_config = ConfigDict(extra="ignore")


class NixtlaSeries(Sent):
    """Series one after the other."""

    y: Flat = Field(description="Values of all series, in their own units, oldest first; null where missing.")
    sizes: list[Steps] = Field(min_length=1, description="Steps of each series.")
    X: Columns | None = Field(default=None, description="Covariates over the series, a list for each: those known ahead come first.")
    X_future: Columns | None = Field(default=None, description="Of the covariates known ahead: the next `h` values of each series.")
    start_datetime: Texts | None = Field(default=None, description="Time of the first value of each series, ISO 8601.")
    categorical_exog: list[int] | None = Field(default=None, description="Covariates that are categories; none are taken here.")


class Question(Sent):
    """What every question has."""

    series: NixtlaSeries = Field(description="What is known.")
    model: str = Field(max_length=200, description="A forecaster's name; `timegpt-...` is the only one, where only one is served.")
    freq: str = Field(max_length=40, description="Step of the series, as pandas or polars writes it.")
    finetune_steps: int | None = Field(default=None, description="0: models are not trained on request.")
    finetuned_model_id: str | None = Field(default=None, max_length=200, description="None, for the same reason.")
    multivariate: bool | None = Field(default=None, description="False: series are forecast one by one.")
    model_parameters: dict[str, Any] | None = Field(default=None, description="None: models have no parameters to set.")
    feature_contributions: bool | None = Field(default=None, description="False: they are not computed here.")


class NixtlaForecastBody(Question):
    """A question for the steps after the series."""

    h: Steps = Field(description="Steps ahead.")
    level: Levels | None = Field(default=None, description="Intervals wanted, in percent; 0 is the median.")


class NixtlaCrossValidationBody(Question):
    """A question for forecasts from the past of the series, each made of what came before it."""

    h: Steps = Field(description="Steps ahead of each origin.")
    n_windows: Steps = Field(default=1, description="Origins; the last one lies `h` steps before the end.")
    step_size: Steps | None = Field(default=None, description="Steps between two origins; `h` where it is left out.")
    hist_exog: list[int] | None = Field(default=None, description="Positions in `X` of covariates that are not known ahead.")
    level: Levels | None = Field(default=None, description="Intervals wanted, in percent; 0 is the median.")
    full_history: bool = Field(default=False, description="Instead: every step that can be forecast, once, the model's horizon at a time.")


class NixtlaAnomalyBody(Question):
    """A question for steps that are not as the model foresaw them, in the whole of the series."""

    level: Level = Field(default=DEFAULT_LEVEL, description="Interval, in percent, outside of which a value is an anomaly.")


class NixtlaOnlineAnomalyBody(Question):
    """A question for such steps among the last ones."""

    h: Steps = Field(description="Steps ahead of each origin.")
    detection_size: Steps = Field(description="Steps at the end of each series that are judged.")
    step_size: Steps | None = Field(default=None, description="Steps between two origins; `h` where it is left out or more.")
    hist_exog: list[int] | None = Field(default=None, description="Positions in `X` of covariates that are not known ahead.")
    threshold_method: str = Field(default="univariate", max_length=40, description="`univariate`: each series is judged by itself.")
    level: Level = Field(default=DEFAULT_LEVEL, description="Interval, in percent, outside of which a value is an anomaly.")


class NixtlaFinetuneBody(Sent):
    """Refused, whatever it holds."""


class NixtlaForecastAnswer(BaseModel, defer_build=True):
    """Forecasts of all series, one after the other."""

    mean: list[float] = Field(description="The median of each step.")
    intervals: dict[str, list[float]] | None = Field(description="`lo-80`, `hi-80`, ... -> ends of the intervals; null: none were asked.")
    weights_x: None = Field(description="Weights of covariates: not computed.")


class NixtlaCrossValidationAnswer(NixtlaForecastAnswer):
    """Forecasts of all origins of all series, one after the other."""

    sizes: list[int] = Field(description="Steps forecast of each series.")
    idxs: list[int] = Field(description="Positions of these steps in `y`.")


class NixtlaAnomalyAnswer(NixtlaForecastAnswer):
    """Forecasts of the last `sizes` steps of each series, and which of these are anomalies."""

    sizes: list[int] = Field(description="Steps judged of each series, its last ones.")
    anomaly: list[bool] = Field(description="Whether the value lies outside the interval.")


class NixtlaOnlineAnomalyAnswer(NixtlaCrossValidationAnswer):
    """Forecasts of the steps that were judged."""

    anomaly: list[bool] = Field(description="Whether the value lies outside the interval.")
    anomaly_score: list[float | None] = Field(
        description="Distance from the median in half-intervals of that side, below it negative; null where there is no value."
    )


def absent(question: Question) -> None:
    """What is asked for and is not here.

    Raises:
        QuestionError: the first of these.
    """
    for field, remedy in ABSENT.items():
        if getattr(question, field):
            raise QuestionError(remedy, where=(field,))
    if question.series.categorical_exog:
        raise QuestionError("categories are not taken as covariates: encode them as numbers", where=("series", "categorical_exog"))

"""The step of a series as clients of other services write it, beside the step of a model."""

from __future__ import annotations

import re

from service.contract.frequency import MONTHS, SECONDS, Frequency
from service.contract.manifest import ForecastTask
from service.tasks.dialogue import QuestionError, Where

POLARS = {"m": "min", "d": "D", "w": "W", "q": "QS", "y": "YS"}
"""Units of polars that pandas writes in another way; its months arrive as pandas' own."""
UNITS = {
    "S": ("s",),
    "T": ("min",),
    "H": ("h",),
    "D": ("D", "B"),
    "W": ("W",),
    "M": ("MS", "ME"),
    "Q": ("QS", "QE"),
    "Y": ("YS", "YE"),
}
"""What KServe's time series protocol can say of a step -> units that it may stand for; it knows no counts and no business days."""


def check_step(task: ForecastTask, text: str, *, where: Where) -> None:
    """A step as pandas or polars writes it must be as long as the model's; on which day a week or a month begins is not looked at.

    Raises:
        QuestionError: it is another, or none that is known.
    """
    found = re.fullmatch(r"([0-9]{1,6})([a-z])", text)
    try:
        sent = Frequency.parse(f"{found[1]}{POLARS.get(found[2], found[2])}" if found else text)
    except ValueError as error:
        raise QuestionError(str(error), where=where) from None
    if _length(sent) != _length(Frequency.parse(task.frequency)):
        raise QuestionError(f"{text!r}: this model's step is {task.frequency}: resample the series, or name another model", where=where)


def check_unit(task: ForecastTask, text: str, *, where: Where) -> None:
    """A unit as KServe's time series protocol writes it must be the one that the model's step is counted in.

    Raises:
        QuestionError: it is another.
    """
    if Frequency.parse(task.frequency).unit not in UNITS["T" if text == "minute" else text[0].upper()]:
        raise QuestionError(f"{text!r}: this model's step is {task.frequency}: resample the series, or name another model", where=where)


def _length(frequency: Frequency) -> tuple[str, int]:
    """How long a step is, and in what."""
    if frequency.unit in MONTHS:
        return "months", frequency.count * MONTHS[frequency.unit]
    if frequency.unit in SECONDS:
        return "seconds", frequency.count * SECONDS[frequency.unit]
    return "business days", frequency.count

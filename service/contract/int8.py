"""The graph in int8 of an artifact: how it compares with the one in fp32, and which of the two runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from service.contract.entry import Entry

Precision = Literal["fp32", "int8"]
"""What a graph computes with."""

INT8_FILES = frozenset({"model.int8.onnx", "golden.int8.json"})
"""Files of the graph in int8, which are there together or not at all."""

INT8_TOLERANCE = 0.02
"""Largest accepted difference of a graph in int8 from its own golden answers, relative to the largest output (at least 1).

Every processor adds up the same bytes (`training.int8`), but a last bit of the floating-point arithmetic between them may turn one of them
to the next, which an answer feels as it feels rounding to int8 at all.
"""


class Check(Entry):
    """A bound that the graph in int8 had to keep, and what it reached."""

    measure: str = Field(description="What was measured, on the data of the scores.")
    value: float = Field(description="What it came to.")
    at_most: float | None = Field(default=None, description="Its bound, where less is better.")
    at_least: float | None = Field(default=None, description="Its bound, where more is better.")

    @property
    def kept(self) -> bool:
        """Whether the value is within its bounds."""
        return (self.at_most is None or self.value <= self.at_most) and (self.at_least is None or self.value >= self.at_least)


class Int8(Entry):
    """How the graph in int8 compares with model.onnx. One that is not published has a reason, and is not among the files."""

    published: bool = Field(description="Whether it is there.")
    reason: str = Field(default="", description="Why it is not.")
    checks: tuple[Check, ...] = Field(default=(), description="What it had to keep to be published.")
    smaller: float = Field(default=1.0, gt=0, description="How many times smaller its file is.")
    faster: dict[str, float] = Field(
        default_factory=dict, description="Rows of a batch -> how many times faster it was on one thread, where it was measured."
    )

    @property
    def pays(self) -> bool:
        """Whether it is there and was faster at every size of batch."""
        return self.published and bool(self.faster) and min(self.faster.values()) > 1

    @model_validator(mode="after")
    def _says_why(self) -> Int8:
        broken = [check.measure for check in self.checks if not check.kept]
        if self.published and broken:
            raise ValueError(f"int8 is published, but {broken[0]} is out of its bound")
        if self.published == bool(self.reason):
            raise ValueError("int8 has a reason where it is not published, and only there")
        return self

"""A column of text that is the same for all rows of a series, and the number that stands for each of its texts."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field, model_validator

from service.contract.entry import Entry

MAX_CATEGORIES = 10_000
MAX_TEXT = 200
"""Characters of a category."""
UNKNOWN = 0
"""Code of every text that is not among a column's categories."""


class StaticColumn(Entry):
    """A text of a series that its forecast depends on, such as its store or its region."""

    name: str = Field(description="Name of the column.")
    categories: tuple[str, ...] = Field(
        min_length=1,
        max_length=MAX_CATEGORIES,
        description="Texts known from training; their codes in the graph are 1, 2, ... in this order, 0 is any other.",
    )

    @cached_property
    def codes(self) -> dict[str, int]:
        """Category -> code."""
        return {text: code for code, text in enumerate(self.categories, start=1)}

    def code(self, text: str) -> int:
        """The code of a text, blanks around it aside."""
        return self.codes.get(text.strip(), UNKNOWN)

    def text(self, code: int) -> str:
        """The category with a code, '' of the unknown."""
        return "" if code == UNKNOWN else self.categories[code - 1]

    @model_validator(mode="after")
    def _categories_differ(self) -> StaticColumn:
        if len(self.codes) != len(self.categories):
            raise ValueError(f"two categories of {self.name!r} are the same")
        if any(not text or text != text.strip() or len(text) > MAX_TEXT for text in self.categories):
            raise ValueError(f"categories of {self.name!r} are texts of 1 to {MAX_TEXT} characters, without blanks around them")
        return self

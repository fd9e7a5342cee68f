"""The categories of a series as learned vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

WIDEST = 16
UNKNOWN_SHARE = 0.05
"""Of the codes that are taken for unknown in training."""


class CategoryVectors(nn.Module):
    """Codes of categories, one for each column -> their vectors side by side; a code that is out of range is 0, the unknown.

    The vectors of a column are as wide as the square root of the number of its categories, 16 at the most. What an unknown category means
    is learned from known ones that count as unknown now and then.
    """

    def __init__(self, categories: tuple[int, ...]) -> None:
        """`categories`: how many each column has, the unknown not among them."""
        super().__init__()
        self.register_buffer("largest", torch.tensor(categories), persistent=False)
        self.tables = nn.ModuleList(nn.Embedding(count + 1, vector_width(count)) for count in categories)

    def forward(self, codes: Tensor) -> Tensor:
        """Vectors (batch, width); codes (batch, columns) are whole numbers."""
        known = (codes > 0) & (codes <= self.get_buffer("largest"))
        if self.training:
            known = known & (torch.rand(codes.shape, device=codes.device) >= UNKNOWN_SHARE)
        codes = torch.where(known, codes, torch.zeros_like(codes))
        return torch.cat([table(codes[:, place]) for place, table in enumerate(self.tables)], dim=-1)


def vector_width(categories: int) -> int:
    """Numbers in the vectors of a column with so many categories."""
    return min(WIDEST, math.ceil(math.sqrt(categories)))

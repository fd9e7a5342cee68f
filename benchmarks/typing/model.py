"""The model that is typed into: 10,000 words, vectors of 256, an LSTM of 512, random weights (speed does not ask what a model learned)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.serving.models import publish_next_word
from benchmarks.serving.questions import VOCABULARY, word

NAME = "bench-typing"
HIDDEN = 512


def publish(root: Path) -> None:
    """Publish it into `root`."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        publish_next_word(root, Path(scratch), name=NAME, hidden=HIDDEN)


def some_words(count: int, generator: np.random.Generator) -> str:
    """Words of its vocabulary, a space behind each."""
    return "".join(f"{word(int(number))} " for number in generator.integers(0, VOCABULARY - 16, count))

"""Models whose answers say what was asked and which version was: one that reaches another caller cannot be mistaken for the right one.

- `numbers`, `guest`: forecasters; the quantiles of step 1 are around the last value of the series, those of step 2 around the value before
  it, those of step 3 around the version.
- `words`: the word that follows word n is word n + version, round a circle.
"""

from __future__ import annotations

import dataclasses
import shutil
from itertools import pairwise
from pathlib import Path
from string import ascii_lowercase

import numpy as np

from service.contract.repository import versions
from service.contract.tokenizer import WordTokenizer
from tests import artifacts
from tests.artifacts import Tiny

NUMBERS, WORDS, GUEST = "numbers", "words", "guest"
LARGEST = 2**20
"""Numbers below this, and versions, are exact in 32 bits, the half that is added to them included."""
CIRCLE = [f"w{first}{second}" for first in ascii_lowercase[:12] for second in ascii_lowercase[:12]]
SPREAD = 0.5


def forecaster(version: int) -> Tiny:
    """The version of `numbers` or `guest` with this number."""
    plain = artifacts.forecaster()
    return dataclasses.replace(
        plain,
        nodes=[
            ("Slice", ["target", "minus_one", "end", "one"], ["newest"], {}),  # (batch, 1)
            ("Slice", ["target", "minus_two", "minus_one", "one"], ["former"], {}),
            ("Mul", ["newest", "zero"], ["nothing"], {}),
            ("Add", ["nothing", "version"], ["versions"], {}),
            ("Concat", ["newest", "former", "versions"], ["steps"], {"axis": 1}),  # (batch, 3)
            ("Unsqueeze", ["steps", "two"], ["columns"], {}),  # (batch, 3, 1)
            ("Add", ["columns", "spread"], ["quantiles"], {}),
        ],
        constants={
            **plain.constants,
            "minus_two": np.array([-2], np.int64),
            "zero": np.array([0], np.float32),
            "version": np.array([version], np.float32),
            "spread": np.tile(np.array([-SPREAD, 0, SPREAD], np.float32), (1, artifacts.HORIZON, 1)),
        },
    )


def talker(version: int) -> Tiny:
    """The version of `words` with this number."""
    plain = artifacts.next_word()
    tokenizer = WordTokenizer.train([" ".join(CIRCLE)], vocabulary=len(CIRCLE) + 2)
    numbers = [tokenizer.encode(word)[0] for word in CIRCLE]
    table = np.zeros((len(tokenizer), len(tokenizer)), np.float32)
    for index, number in enumerate(numbers):
        table[number, numbers[(index + version) % len(CIRCLE)]] = 5
    size = len(tokenizer)
    log_probs, *others = plain.outputs
    return dataclasses.replace(
        plain,
        task=plain.task.model_copy(update={"vocabulary": size}),
        outputs=(log_probs.model_copy(update={"shape": (-1, size)}), *others),
        constants={**plain.constants, "table": table},
        tokenizer=tokenizer,
    )


def publish(root: Path, name: str) -> int:
    """A version more of a model."""
    version = next_version(root, name)
    artifacts.publish(root, name, talker(version) if name == WORDS else forecaster(version))
    return version


def next_version(root: Path, name: str) -> int:
    """The number that the next version gets."""
    return 1 + max((found.version for found in versions(root, name)), default=0)


def spoil(root: Path, name: str) -> int:
    """A version more whose graph is not the one that its manifest speaks of."""
    version = publish(root, name)
    (root / name / str(version) / "model.onnx").write_bytes(b"other")
    return version


def prune(root: Path, name: str, *, keep: int) -> None:
    """Remove all but the newest versions."""
    for old in versions(root, name)[:-keep]:
        shutil.rmtree(old.folder)


def follows(start: str, said: list[str], version: int) -> bool:
    """Whether this version says these words behind `start`."""
    indices = [CIRCLE.index(word) for word in (start, *said) if word in CIRCLE]
    return len(indices) == len(said) + 1 and all((after - before - version) % len(CIRCLE) == 0 for before, after in pairwise(indices))

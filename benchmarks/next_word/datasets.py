"""The texts: what is learned from, and what is written afterwards, which no model has seen.

- `war_and_peace`: Tolstoy's novel in English, cut into lines (github.com/timbmg/RNNLM, `data/warandpeace.txt`).
- `sgd`: utterances of the Schema-Guided Dialogue set, a turn a line, a blank line between dialogues
  (github.com/google-research-datasets/dstc8-schema-guided-dialogue).
- `nsmc`: Korean reviews of films, one a line (github.com/e9t/nsmc).
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.config import read_recipe


@dataclass(frozen=True, slots=True)
class Dataset:
    """Three texts, the recipe of their model, how many words an n-gram model of them knows, and lines that a writer has before them."""

    name: str
    train: Path
    validation: Path
    test: Path
    recipe: Mapping[str, Any]
    known_words: int
    lines_before: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be typed, and the text that stands before it, with a line end behind every line."""

    before: str
    text: str


BUNDLED = Path(__file__).parents[2] / "training" / "recipes" / "bundled"
NAMES = ("war_and_peace", "sgd", "nsmc")


def find(name: str, folder: Path) -> Dataset:
    """A data set of the public files in `folder`.

    Raises:
        ValueError: no such data set.
        FileNotFoundError: its files are not there.
    """
    match name:
        case "war_and_peace":
            files = [folder / name / f"wap.{part}.txt.gz" for part in ("train", "valid", "test")]
            dataset = Dataset(name, *files, read_recipe(BUNDLED / "next-word-en.toml"), known_words=10_000, lines_before=20)
        case "sgd":
            files = [folder / name / f"{part}.txt.gz" for part in ("train", "dev", "test")]
            dataset = Dataset(name, *files, read_recipe(Path(__file__).with_name("sgd.toml")), known_words=10_000, lines_before=1_000)
        case "nsmc":
            files = [folder / name / f"{part}.txt.gz" for part in ("train", "valid", "test")]
            dataset = Dataset(name, *files, read_recipe(BUNDLED / "next-word-ko.toml"), known_words=20_000, lines_before=0)
        case _:
            raise ValueError(f"no data set {name!r}: {', '.join(NAMES)}")
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there: benchmarks/next_word/datasets.py says where {name} comes from")
    return dataset


def lines_to_type(dataset: Dataset, count: int, *, seed: int = 0) -> list[Line]:
    """So many lines of the test text, drawn with a fixed seed, each with what stands before it in its document."""
    with gzip.open(dataset.test, "rt", encoding="utf-8") as stream:
        lines = [line.strip() for line in stream]
    by_blank_lines = dataset.recipe.get("documents") == "blank-line"
    found, before = [], []
    for line in lines:
        if line:
            found.append(Line("".join(f"{one}\n" for one in before[len(before) - dataset.lines_before :]), line))
            before.append(line)
        elif by_blank_lines:
            before.clear()
        del before[: max(0, len(before) - dataset.lines_before)]
    chosen = np.random.default_rng(seed).choice(len(found), min(count, len(found)), replace=False)
    return [found[number] for number in sorted(chosen)]

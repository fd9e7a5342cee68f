"""Next-word models on public texts beside a modified Kneser-Ney 5-gram model that is fitted live.

    python -m benchmarks.next_word --data FOLDER [--sets war_and_peace,sgd,nsmc] [--epochs sgd=5,nsmc=4] [--lines 400] [--models FOLDER]

FOLDER holds `war_and_peace/`, `sgd/` and `nsmc/` (benchmarks/next_word/datasets.py says where they come from); the n-gram model's script
lies beside it, as `../tools/mkn.py`. Every model is trained by `carousel-train`; one that is in `--models` already is taken as it is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.next_word import datasets, ours
from benchmarks.next_word.datasets import Dataset, Line, lines_to_type
from benchmarks.next_word.ngram import NGram
from benchmarks.next_word.typist import Typed, type_all
from benchmarks.results import table, write_section
from service.contract.manifest import NextWordTask
from service.contract.repository import ONNX, ONNX_INT8

HEADING = (
    "model",
    "perplexity",
    "top-1",
    "top-3",
    "keys saved",
    "words shown before their first letter",
    "numbers",
    "MB",
    "minutes",
    "us a step",
)


def main() -> None:
    """Measure, and write a section for each data set."""
    options = _parser().parse_args()
    epochs = dict(pair.split("=") for pair in filter(None, options.epochs.split(",")))
    for name in options.sets.split(","):
        dataset = datasets.find(name, options.data)
        settings = {"epochs": int(epochs[name])} if name in epochs else {}
        with tempfile.TemporaryDirectory() as scratch:
            model = ours.trained(dataset, options.models or Path(scratch), settings=settings)
            lines = lines_to_type(dataset, options.lines)
            rows = list(_our_rows(model, lines))
            rival = NGram(dataset, options.data.resolve().parent / "tools" / "mkn.py")
            typed = type_all(lines, rival.suggest)
            rows.append(_rival_row(rival, typed))
            body = f"{table(HEADING, rows)}\n\n{_remarks(dataset, model, rival, lines, typed)}"
        write_section(f"Next words: {name}", command=f"python -m benchmarks.next_word --sets {name}", body=body)
        print(f"{name}\n{body}\n", flush=True)


def _our_rows(model: ours.Model, lines: Sequence[Line]) -> Iterator[Sequence[object]]:
    scores, steps = model.manifest.scores.model, ours.step_us(model)
    facts = (f"{model.manifest.network.total:,}", f"{model.megabytes(ONNX):.1f}", f"{model.minutes:.1f}", f"{steps['fp32']:.0f}")
    pointed = "perplexity_without_pointer" in scores
    yield f"Carousel{', with its pointer' if pointed else ''}", *_measured(model, ""), *_helped(type_all(lines, model.suggest)), *facts
    if pointed:
        typed = type_all(lines, partial(model.suggest, pointer=False))
        yield "the graph alone", *_measured(model, "_without_pointer"), *_helped(typed), *[""] * 4
    if model.int8 is not None:
        yield "the graph in int8", *[""] * 6, f"{model.megabytes(ONNX_INT8):.1f}", "", f"{steps['int8']:.0f}"


def _measured(model: ours.Model, suffix: str) -> tuple[str, str, str]:
    """Perplexity of words, and top-1 and top-3, of which those of pieces of words say nothing."""
    scores = model.manifest.scores.model
    if "perplexity_per_word" in scores:
        return f"{scores['perplexity_per_word']:.2f} (any word)" if not suffix else "", "", ""
    return f"{scores[f'perplexity{suffix}']:.2f}", f"{scores[f'top1{suffix}']:.3f}", f"{scores[f'top3{suffix}']:.3f}"


def _rival_row(rival: NGram, typed: Typed) -> Sequence[object]:
    scores = rival.scores
    measured = (f"{scores.perplexity:.2f}", f"{scores.top1:.3f}", f"{scores.top3:.3f}")
    return "Kneser-Ney 5-gram", *measured, *_helped(typed), f"{rival.numbers:,}", "", f"{rival.minutes:.1f}", ""


def _helped(typed: Typed) -> tuple[str, str]:
    return f"{typed.saved:.1%}", f"{typed.foreseen_share:.3f}"


def _remarks(dataset: Dataset, model: ours.Model, rival: NGram, lines: Sequence[Line], typed: Typed) -> str:
    """What a reader of the table should know."""
    told = [
        f"Perplexity over every word, mark and line end of the test text ({model.manifest.scores.split}); top-1 and top-3 over the words"
        f" that are known. {rival.scores.unknown:.1%} of the words are unknown to the n-gram model, which does not look past a line.",
        f"{len(lines)} lines of it ({typed.words:,} words) are typed with three words shown and a key to take one. A key is a character, of"
        " Korean a letter of the two-set keyboard (각 has three), and words are shown for a syllable that is still being composed, too.",
        f"Trained for {model.manifest.training.epochs} epochs; one step is a token read on from a state, on one thread.",
    ]
    task = model.manifest.task
    if isinstance(task, NextWordTask) and task.pointer is not None:
        told.append(
            f"The pointer looks {task.pointer.window} words back, sharpness {task.pointer.sharpness:g}, share {task.pointer.share:g}."
        )
    if model.manifest.int8 is not None:
        checks = ", ".join(f"{check.measure} {check.value:.4f}" for check in model.manifest.int8.checks)
        told.append(f"int8 beside fp32: {checks}.")
    if dataset.recipe.get("tokens") == "subwords":
        told.append(f"Perplexity is of {model.manifest.scores.model['perplexity']:.2f} a piece; a piece is part of a word.")
    return "\n".join(f"- {line}" for line in told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure next-word models beside an n-gram model.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files")
    parser.add_argument("--sets", default=",".join(datasets.NAMES))
    parser.add_argument("--epochs", default="", help="epochs of a set where they are to be others, such as sgd=5,nsmc=4")
    parser.add_argument("--lines", type=int, default=400, help="test lines that are typed")
    parser.add_argument("--models", type=Path, help="folder to keep what is trained, and to take from what was trained before")
    return parser


if __name__ == "__main__":
    main()

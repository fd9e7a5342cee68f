"""Learning the next word: a text -> log-probabilities of what follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from service.contract.forms import forms_text
from service.contract.golden import Tensors
from service.contract.int8 import Check
from service.contract.manifest import NextWordTask, Pointer, Scores
from service.contract.repository import FORMS, TOKENIZER
from training.config import NextWordConfig
from training.data.text import TextData, baseline_most_frequent
from training.data.token_batches import NO_TARGET, Ids, Window, document_windows, line_batches, reading_rows, stream_windows
from training.export import Graph, Run
from training.learners.base import TRIAL_BATCHES, copy_weights, recurrence_of
from training.learners.int8_checks import next_word_checks
from training.learners.next_word_ranks import ROWS_AT_ONCE, Ranked, beginnings, joined, rank, rank_rows
from training.learners.next_word_tensors import input_specs, output_specs, state_names, stretches, zero_state
from training.learners.pointer import passages, tune_pointer
from training.loop import device_of
from training.metrics import perplexity
from training.networks.next_word import NextWordGraph, NextWordModel, NextWordShape
from training.networks.output_loss import drawing_chances
from training.networks.recurrence import State
from training.pictures import Picture

SCORING_STREAMS = 8
"""Stretches in which a text without documents is scored side by side."""
MOST_TUNING_TOKENS = 100_000
MOST_CHECKED_TOKENS = 60_000
SAMPLE_PROMPTS = 5
SAMPLE_WORDS = 12
TRIAL_LENGTHS = (5, 1, 17)


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Tokens (batch, time) and targets: (batch, time), or (batch,) where only a line's last word is learned. `begins`: from no state."""

    tokens: Tensor
    targets: Tensor
    begins: bool


class NextWordLearner:
    """A next-word model and the text it learns from."""

    def __init__(self, config: NextWordConfig, text: TextData) -> None:
        """Draws the network's first weights from torch's global generator."""
        self.config = config
        self.text = text
        self.data = text.data
        shape = NextWordShape(
            recurrence=recurrence_of(config),
            vocabulary=len(text.tokenizer),
            embedding=config.embedding,
            recurrent_dropout=config.recurrent_dropout,
            word_dropout=config.word_dropout,
        )
        self.network: nn.Module = NextWordModel(shape)
        self.pointer: Pointer | None = None
        self._state: State | None = None
        counts = torch.from_numpy(np.bincount(text.train, minlength=shape.vocabulary))
        self._chances = drawing_chances(counts, config.sampled_words)
        self.steps_per_epoch = sum(1 for _ in self._windows("train", np.random.default_rng(0)))

    def batches(self, generator: np.random.Generator) -> Iterator[TokenBatch]:
        """The text as parallel streams, its documents side by side, or lines in random order."""
        config, ids = self.config, self.text.train
        # windows that begin elsewhere in each epoch, so that every word is learned with words before it
        skipped = int(generator.integers(config.bptt)) if len(ids) > 2 * config.batch * config.bptt else 0
        return self._tensors(self._windows("train", generator, skipped=skipped))

    def loss(self, network: nn.Module, batch: TokenBatch) -> Tensor:
        """Cross-entropy of the next words; the state is carried over from batch to batch, gradients are not (truncated BPTT)."""
        assert isinstance(network, NextWordModel)  # noqa: S101 - tells mypy; this learner builds no other
        vectors, after = network.read(batch.tokens, None if batch.begins else self._state)
        chances = self._chances if network.training else None
        if self.config.predict == "last":
            return network.loss(vectors[:, -1], batch.targets, chances)
        self._state = (after[0].detach(), after[1].detach()) if isinstance(after, tuple) else after.detach()
        known = batch.targets != NO_TARGET
        return network.loss(vectors[known], batch.targets[known], chances)

    def validation_loss(self, network: nn.Module) -> float:
        """Mean cross-entropy over the validation text."""
        losses, counts = [], []
        with torch.no_grad():
            for batch in self._tensors(self._windows("validation", np.random.default_rng(0))):
                losses.append(self.loss(network, batch).item())
                counts.append(int((batch.targets != NO_TARGET).sum()))
        return float(np.average(losses, weights=counts))

    def finish(self) -> None:
        """Find the pointer that suits the network on the validation text, where one pays."""
        if self.config.pointer and self.config.predict == "all":
            rows = beginnings(self._rows("validation"), most=MOST_TUNING_TOKENS)
            self.pointer = tune_pointer(passages(self._model.eval(), rows), window=self.config.pointer_window)

    def task(self) -> NextWordTask:
        """What the model takes and gives."""
        tokenizer = self.text.tokenizer
        return NextWordTask(
            vocabulary=len(tokenizer),
            top_k=self._top_k,
            end_id=tokenizer.end_id,
            unknown_id=tokenizer.unknown_id,
            tokens=self.config.tokens,
            pointer=self.pointer,
        )

    def graph(self) -> Graph:
        """The model on torch.nn's kernels, with top-k and state."""
        shape, vectors = self._shape, self.pointer is not None
        copied = copy_weights(self.network, NextWordModel(replace(shape, recurrence=shape.recurrence.fused())))
        assert isinstance(copied, NextWordModel)  # noqa: S101 - tells mypy
        hidden_ids = self.text.tokenizer.hidden_ids
        module = NextWordGraph(copied, top_k=self._top_k, hidden_ids=hidden_ids, vectors=vectors).eval()
        state = {name: f"next_{name}" for name in state_names(shape.recurrence)}
        outputs = output_specs(shape, top_k=self._top_k, vectors=vectors)
        return Graph(module, input_specs(shape.recurrence), outputs, state, unrecorded=frozenset({"log_probs"}))

    def trials(self) -> list[Tensors]:
        """Stretches of the text, read on from states that it leads to."""
        sizes = [(batch, time) for batch in TRIAL_BATCHES for time in TRIAL_LENGTHS]
        return stretches(self._model, self.text.train, sizes, seed=self.config.seed)

    def goldens(self) -> list[Tensors]:
        """A start of a text, and a step on from a state."""
        start, step = stretches(self._model, self.text.train, [(1, 8), (2, 1)], seed=self.config.seed)
        return [start | zero_state(self._shape.recurrence, 1), step]

    def files(self) -> dict[str, str]:
        """The tokenizer, and how words are written that have capitals."""
        forms = {FORMS: forms_text(self.text.forms)} if self.text.forms else {}
        return {TOKENIZER: self.text.tokenizer.to_json(), **forms}

    def score(self, run: Run) -> Scores:
        """Perplexity over every token and top-k accuracy over the words of the vocabulary, beside always suggesting the commonest words.

        Where there is a pointer the measures are with it, and once more without.
        """
        alone, pointed = self._ranked(run)
        hidden, found = self.text.tokenizer.hidden_ids, pointed or alone
        model = found.scores(hidden)
        model["unknown_share"] = float((found.targets == self.text.tokenizer.unknown_id).mean())
        if pointed:
            model |= {f"{measure}_without_pointer": value for measure, value in alone.scores(hidden).items()}
        if self.config.tokens == "subwords":
            model["perplexity_per_word"] = perplexity(-float(found.log_probs.sum()), self.text.test_words)
        baselines = {"most_frequent": baseline_most_frequent(self.text, last=self.config.predict == "last")}
        held_out = "held-out text" if self.config.test or self.config.test_data else "the training text"
        rival = baselines["most_frequent"]["perplexity"]
        beats = model["perplexity"] < rival
        note = "" if beats else f"Hard to beat: how often words are has a perplexity of {rival:.4g}, the model {model['perplexity']:.4g}."
        split = f"{len(found.targets)} tokens of {held_out}"
        return Scores(split=split, model=model, baselines=baselines, beats_naive=beats, note=note)

    def calibration(self) -> list[Tensors]:
        """Every word of the vocabulary."""
        return [{"tokens": np.arange(len(self.text.tokenizer))[None], **zero_state(self._shape.recurrence, 1)}]

    def checks(self, run: Run, int8: Run) -> tuple[Check, ...]:
        """Perplexity, and whether the same words are found, of the graphs alone."""
        (before, _), (after, _) = (self._ranked(one, most=MOST_CHECKED_TOKENS, pointer=False) for one in (run, int8))
        words = before.words(self.text.tokenizer.hidden_ids)
        return next_word_checks((before.log_probs, before.ranks), (after.log_probs, after.ranks), words=words)

    def pictures(self, run: Run) -> list[Picture]:  # noqa: ARG002 - samples say more
        """None beside the loss curves."""
        return []

    def samples(self, run: Run) -> list[tuple[str, str]]:
        """Beginnings of test lines and the likeliest continuation of each."""
        lines = [line for line in self.text.test_lines if len(line) >= 2]
        chosen = [lines[number] for number in np.linspace(0, len(lines) - 1, min(SAMPLE_PROMPTS, len(lines))).astype(int)]
        return [self._sample(run, line[: max(len(line) // 2, 1)]) for line in chosen]

    @property
    def _model(self) -> NextWordModel:
        assert isinstance(self.network, NextWordModel)  # noqa: S101 - tells mypy; this learner builds no other
        return self.network

    @property
    def _shape(self) -> NextWordShape:
        return self._model.shape

    @property
    def _top_k(self) -> int:
        return min(self.config.top_k, len(self.text.tokenizer) - len(self.text.tokenizer.hidden_ids))

    def _windows(self, split: str, generator: np.random.Generator, *, skipped: int = 0) -> Iterator[Window]:
        """What is learned, or measured, from the training or the validation text, `skipped` tokens of its beginning left out."""
        text, config = self.text, self.config
        lines, ids = (text.train_lines, text.train) if split == "train" else (text.validation_lines, text.validation)
        starts = text.starts[split]
        if config.predict == "last":
            for tokens, targets in line_batches(lines, end_id=text.tokenizer.end_id, batch=config.batch, generator=generator):
                yield Window(tokens, targets, begins=True)
        elif len(starts) > 1:
            yield from document_windows(ids, starts, batch=config.batch, bptt=config.bptt, generator=generator)
        else:
            yield from stream_windows(ids[skipped:], batch=config.batch, bptt=config.bptt)

    def _tensors(self, windows: Iterator[Window]) -> Iterator[TokenBatch]:
        device = device_of(self.network)
        for window in windows:
            yield TokenBatch(torch.from_numpy(window.tokens).to(device), torch.from_numpy(window.targets).to(device), window.begins)

    def _rows(self, split: str) -> list[Ids]:
        return reading_rows(self.text.test if split == "test" else self.text.validation, self.text.starts[split], streams=SCORING_STREAMS)

    def _ranked(self, run: Run, *, most: int | None = None, pointer: bool = True) -> tuple[Ranked, Ranked | None]:
        """The tokens of the test text, about `most` of them, alone and with the pointer; or the last word of each of its lines."""
        hidden_ids, recurrence = self.text.tokenizer.hidden_ids, self._shape.recurrence
        if self.config.predict == "last":
            return joined(self._ranked_lines(run)), None
        rows = self._rows("test") if most is None else beginnings(self._rows("test"), most=most)
        return rank_rows(
            run,
            rows,
            start=lambda count: zero_state(recurrence, count),
            hidden_ids=hidden_ids,
            pointer=self.pointer if pointer else None,
        )

    def _ranked_lines(self, run: Run) -> Iterator[Ranked]:
        tokenizer, recurrence = self.text.tokenizer, self._shape.recurrence
        generator = np.random.default_rng(0)
        for tokens, targets in line_batches(self.text.test_lines, end_id=tokenizer.end_id, batch=ROWS_AT_ONCE, generator=generator):
            yield rank(run({"tokens": tokens, **zero_state(recurrence, len(tokens))})["log_probs"], targets, tokenizer.hidden_ids)

    def _sample(self, run: Run, prompt: list[int]) -> tuple[str, str]:
        """A prompt and the likeliest word after it, again and again."""
        tokenizer, state, words = self.text.tokenizer, zero_state(self._shape.recurrence, 1), []
        tokens = np.array([[tokenizer.end_id, *prompt]], np.int64)
        for _ in range(1 if self.config.predict == "last" else SAMPLE_WORDS):
            outputs = run({"tokens": tokens, **state})
            state = {name.removeprefix("next_"): array for name, array in outputs.items() if name.startswith("next_")}
            words.append(int(outputs["top_ids"][0, 0]))
            tokens = np.array([[words[-1]]], np.int64)
        return tokenizer.decode(prompt), tokenizer.decode(words)

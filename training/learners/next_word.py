"""Learning the next word: a text -> log-probabilities of what follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from service.contract.golden import Tensors
from service.contract.int8 import Check
from service.contract.manifest import NextWordTask, Scores, TensorSpec
from service.contract.repository import TOKENIZER
from training.config import NextWordConfig
from training.data.text import TextData, baseline_most_frequent, line_batches, stream_batches
from training.export import Graph, Run
from training.learners.base import TRIAL_BATCHES, copy_weights, recurrence_of
from training.learners.int8_checks import next_word_checks
from training.loop import device_of
from training.metrics import perplexity, top_k_accuracy
from training.networks.next_word import NextWordGraph, NextWordModel, NextWordShape
from training.networks.recurrence import State
from training.pictures import Picture

TokenBatch = tuple[Tensor, Tensor]
"""Tokens (batch, time) and targets: (batch, time), or (batch,) where only a line's last word is learned."""

Ranked = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]
"""Of each token (tokens,): its log-probability, its id, and how many words were held likelier."""

SCORING_STREAMS = 32
SAMPLE_PROMPTS = 5
SAMPLE_WORDS = 12
TRIAL_LENGTHS = (5, 1, 17)


class NextWordLearner:
    """A next-word model and the text it learns from."""

    def __init__(self, config: NextWordConfig, text: TextData) -> None:
        """Draws the network's first weights from torch's global generator."""
        self.config = config
        self.text = text
        self.data = text.data
        self.network: nn.Module = NextWordModel(NextWordShape(recurrence_of(config), len(text.tokenizer), config.embedding))
        self._state: State | None = None
        self.steps_per_epoch = sum(1 for _ in self._training_arrays(np.random.default_rng(0)))

    def batches(self, generator: np.random.Generator) -> Iterator[TokenBatch]:
        """The text as parallel streams read from the start with a state of zero, or lines in random order."""
        self._state = None
        return self._tensors(self._training_arrays(generator))

    def loss(self, network: nn.Module, batch: TokenBatch) -> Tensor:
        """Cross-entropy of the next words; the state is carried over from batch to batch, gradients are not (truncated BPTT)."""
        assert isinstance(network, NextWordModel)  # noqa: S101 - tells mypy; this learner builds no other
        tokens, targets = batch
        if self.config.predict == "last":
            logits, _ = network(tokens)
            return F.cross_entropy(logits[:, -1], targets)
        logits, after = network(tokens, self._state)
        self._state = (after[0].detach(), after[1].detach()) if isinstance(after, tuple) else after.detach()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def validation_loss(self, network: nn.Module) -> float:
        """Mean cross-entropy over the validation text."""
        self._state = None
        losses, counts = [], []
        with torch.no_grad():
            for batch in self._tensors(self._validation_arrays()):
                losses.append(self.loss(network, batch).item())
                counts.append(batch[1].numel())
        self._state = None
        return float(np.average(losses, weights=counts))

    def finish(self) -> None:
        """Nothing."""

    def task(self) -> NextWordTask:
        """What the model takes and gives."""
        tokenizer = self.text.tokenizer
        return NextWordTask(vocabulary=len(tokenizer), top_k=self._top_k, end_id=tokenizer.end_id, unknown_id=tokenizer.unknown_id)

    def graph(self) -> Graph:
        """The model on torch.nn's kernels, with top-k and state."""
        shape = self._shape
        copied = copy_weights(self.network, NextWordModel(replace(shape, recurrence=shape.recurrence.fused())))
        assert isinstance(copied, NextWordModel)  # noqa: S101 - tells mypy
        hidden_ids = (self.text.tokenizer.end_id, self.text.tokenizer.unknown_id)
        size = (-1, shape.recurrence.layers, shape.recurrence.hidden)
        tokens = TensorSpec(name="tokens", datatype="INT64", shape=(-1, -1), description="batch, time; ids of tokenizer.json")
        before = [
            TensorSpec(name=name, datatype="FP32", shape=size, description="batch, layers, hidden; 0 at a start") for name in self._states
        ]
        after = [TensorSpec(name=f"next_{name}", datatype="FP32", shape=size, description="batch, layers, hidden") for name in self._states]
        answers = (
            TensorSpec(
                name="log_probs", datatype="FP32", shape=(-1, shape.vocabulary), description="batch, vocabulary; natural logarithms"
            ),
            TensorSpec(name="top_ids", datatype="INT64", shape=(-1, self._top_k), description="batch, best first; special tokens left out"),
            TensorSpec(name="top_log_probs", datatype="FP32", shape=(-1, self._top_k), description="batch, best first"),
        )
        module = NextWordGraph(copied, top_k=self._top_k, hidden_ids=hidden_ids).eval()
        state = {name: f"next_{name}" for name in self._states}
        return Graph(module, (tokens, *before), (*answers, *after), state, unrecorded=frozenset({"log_probs"}))

    def trials(self) -> list[Tensors]:
        """Stretches of the text from states that are not zero."""
        generator = np.random.default_rng(self.config.seed)
        return [self._inputs(generator, batch, time) for batch in TRIAL_BATCHES for time in TRIAL_LENGTHS]

    def goldens(self) -> list[Tensors]:
        """A start of a text, and a step on from a state."""
        generator = np.random.default_rng(self.config.seed)
        start = self._inputs(generator, 1, 8)
        zero = {name: np.zeros_like(array) if name.startswith("state") else array for name, array in start.items()}
        return [zero, self._inputs(generator, 2, 1)]

    def files(self) -> dict[str, str]:
        """The tokenizer."""
        return {TOKENIZER: self.text.tokenizer.to_json()}

    def score(self, run: Run) -> Scores:
        """Perplexity over every token and top-k accuracy over the words of the vocabulary, beside always suggesting the commonest words."""
        tokenizer = self.text.tokenizer
        log_probs, targets, ranks = self._ranked(run)
        words = (targets != tokenizer.end_id) & (targets != tokenizer.unknown_id)
        model = {
            "perplexity": perplexity(-float(log_probs.sum()), len(targets)),
            "top1": top_k_accuracy(ranks[words], 1),
            "top3": top_k_accuracy(ranks[words], 3),
            "unknown_share": float((targets == tokenizer.unknown_id).mean()),
        }
        baselines = {"most_frequent": baseline_most_frequent(self.text, last=self.config.predict == "last")}
        split = (
            f"{len(targets)} tokens of held-out text"
            if self.config.test or self.config.test_data
            else f"{len(targets)} tokens of the training text"
        )
        rival = baselines["most_frequent"]["perplexity"]
        beats = model["perplexity"] < rival
        note = "" if beats else f"Hard to beat: how often words are has a perplexity of {rival:.4g}, the model {model['perplexity']:.4g}."
        return Scores(split=split, model=model, baselines=baselines, beats_naive=beats, note=note)

    def calibration(self) -> list[Tensors]:
        """Every word of the vocabulary."""
        return [{"tokens": np.arange(len(self.text.tokenizer))[None], **self._zero_state(1)}]

    def checks(self, run: Run, int8: Run) -> tuple[Check, ...]:
        """Perplexity, and whether the same words are found."""
        (before, targets, ranks), (after, _, int8_ranks) = self._ranked(run), self._ranked(int8)
        words = (targets != self.text.tokenizer.end_id) & (targets != self.text.tokenizer.unknown_id)
        return next_word_checks((before, ranks), (after, int8_ranks), words=words)

    def pictures(self, run: Run) -> list[Picture]:  # noqa: ARG002 - samples say more
        """None beside the loss curves."""
        return []

    def samples(self, run: Run) -> list[tuple[str, str]]:
        """Beginnings of test lines and the likeliest continuation of each."""
        lines = [line for line in self.text.test_lines if len(line) >= 2]
        chosen = [lines[number] for number in np.linspace(0, len(lines) - 1, min(SAMPLE_PROMPTS, len(lines))).astype(int)]
        return [self._sample(run, line[: max(len(line) // 2, 1)]) for line in chosen]

    @property
    def _shape(self) -> NextWordShape:
        assert isinstance(self.network, NextWordModel)  # noqa: S101 - tells mypy; this learner builds no other
        return self.network.shape

    @property
    def _states(self) -> tuple[str, ...]:
        return ("state_h", "state_c") if self._shape.recurrence.cell == "lstm" else ("state_h",)

    @property
    def _top_k(self) -> int:
        return min(self.config.top_k, len(self.text.tokenizer) - 2)

    def _training_arrays(self, generator: np.random.Generator) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        if self.config.predict == "last":
            return line_batches(self.text.train_lines, end_id=self.text.tokenizer.end_id, batch=self.config.batch, generator=generator)
        return stream_batches(self.text.train, batch=self.config.batch, bptt=self.config.bptt)

    def _validation_arrays(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        if self.config.predict == "last":
            generator = np.random.default_rng(0)
            return line_batches(self.text.validation_lines, end_id=self.text.tokenizer.end_id, batch=self.config.batch, generator=generator)
        return stream_batches(self.text.validation, batch=min(self.config.batch, SCORING_STREAMS), bptt=self.config.bptt)

    def _tensors(self, arrays: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Iterator[TokenBatch]:
        device = device_of(self.network)
        for tokens, targets in arrays:
            yield torch.from_numpy(tokens).to(device), torch.from_numpy(targets).to(device)

    def _inputs(self, generator: np.random.Generator, batch: int, time: int) -> Tensors:
        recurrence = self._shape.recurrence
        starts = generator.integers(0, max(len(self.text.train) - time, 1), batch)
        tokens = np.stack([np.resize(self.text.train[start : start + time], time) for start in starts])
        size = (batch, recurrence.layers, recurrence.hidden)
        return {"tokens": tokens, **{name: generator.uniform(-0.5, 0.5, size).astype(np.float32) for name in self._states}}

    def _zero_state(self, batch: int) -> Tensors:
        recurrence = self._shape.recurrence
        return {name: np.zeros((batch, recurrence.layers, recurrence.hidden), np.float32) for name in self._states}

    def _ranked(self, run: Run) -> Ranked:
        pieces = self._ranked_lines(run) if self.config.predict == "last" else self._ranked_stream(run)
        log_probs, targets, ranks = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
        return log_probs, targets, ranks

    def _ranked_stream(self, run: Run) -> Iterator[Ranked]:
        """The test text token by token, as parallel streams that carry their state."""
        state: Tensors = {}
        streams = min(SCORING_STREAMS, max(len(self.text.test) // 2, 1))
        for tokens, targets in stream_batches(self.text.test, batch=streams, bptt=1):
            outputs = run({"tokens": tokens, **(state or self._zero_state(len(tokens)))})
            state = {name.removeprefix("next_"): array for name, array in outputs.items() if name.startswith("next_")}
            yield self._rank(outputs["log_probs"], targets[:, 0])

    def _ranked_lines(self, run: Run) -> Iterator[Ranked]:
        """The last word of each test line."""
        end_id, generator = self.text.tokenizer.end_id, np.random.default_rng(0)
        for tokens, targets in line_batches(self.text.test_lines, end_id=end_id, batch=SCORING_STREAMS, generator=generator):
            yield self._rank(run({"tokens": tokens, **self._zero_state(len(tokens))})["log_probs"], targets)

    def _rank(self, log_probs: NDArray[np.float32], targets: NDArray[np.int64]) -> Ranked:
        own = log_probs[np.arange(len(targets)), targets]
        suggested = log_probs.copy()
        suggested[:, [self.text.tokenizer.end_id, self.text.tokenizer.unknown_id]] = -np.inf
        return own.astype(np.float64), targets, (suggested > own[:, None]).sum(axis=1)

    def _sample(self, run: Run, prompt: list[int]) -> tuple[str, str]:
        """A prompt and the likeliest word after it, again and again."""
        tokenizer = self.text.tokenizer
        tokens, state, words = np.array([[tokenizer.end_id, *prompt]], np.int64), self._zero_state(1), []
        for _ in range(1 if self.config.predict == "last" else SAMPLE_WORDS):
            outputs = run({"tokens": tokens, **state})
            state = {name.removeprefix("next_"): array for name, array in outputs.items() if name.startswith("next_")}
            words.append(int(outputs["top_ids"][0, 0]))
            tokens = np.array([[words[-1]]], np.int64)
        return tokenizer.decode(prompt), tokenizer.decode(words)

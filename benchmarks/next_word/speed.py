"""How fast a next-word model is trained beside a plain PyTorch loop of the same sizes, and where the time goes.

    python -m benchmarks.next_word.speed [--rounds 10] [--embedding 256] [--hidden 512] [--batch 32]

The plain loop is that of PyTorch's word language model example: nn.Embedding, nn.LSTM, an nn.Linear from the state to the vocabulary,
nn.Dropout, F.cross_entropy and AdamW as it comes. A second one has this project's tied output layer behind a projection, which is less
arithmetic. Carousel is measured with every word's score in each step, and with those of 2,000 drawn words (`sampled_words`). All run on
the same threads, some steps each in turns.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from benchmarks.results import table, write_section
from training.config import NextWordConfig
from training.loop import build_optimizer, moving_average
from training.networks.next_word import NextWordModel, NextWordShape
from training.networks.output_loss import drawing_chances
from training.networks.recurrence import Recurrence

VOCABULARY = 10_002
BPTT = 35
STEPS_A_ROUND = 3
DRAWN = 2000
State = tuple[Tensor, Tensor]


@dataclass(slots=True)
class Stopwatch:
    """Seconds of each phase of a training step."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    at: float = field(default_factory=time.perf_counter)

    def lap(self, phase: str) -> None:
        """What was done since the last lap was this."""
        now = time.perf_counter()
        self.seconds[phase] += now - self.at
        self.at = now


class Plain(nn.Module):
    """As in PyTorch's example; `tied`: with the embedding as output layer behind a projection."""

    def __init__(self, embedding: int, hidden: int, *, tied: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.project = nn.Linear(hidden, embedding) if tied else nn.Identity()
        self.output = nn.Linear(embedding if tied else hidden, VOCABULARY)
        self.drop = nn.Dropout(0.4)
        if tied:
            self.output.weight = self.embed.weight

    def forward(self, tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Logits (batch, time, vocabulary)."""
        outputs, after = self.lstm(self.drop(self.embed(tokens)), state)
        return self.output(self.project(self.drop(outputs))), after


@dataclass(slots=True)
class Contender:
    """A way to train, its steps as a generator that is sent tokens and targets, and the time of each round."""

    name: str
    steps: Callable[[Stopwatch], Iterator[None]]
    watch: Stopwatch = field(default_factory=Stopwatch)
    rounds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, and write the section."""
    options = _parser().parse_args()
    shape = (options.embedding, options.hidden)
    contenders = [
        Contender("Carousel", lambda watch: _ours(*shape, options.batch, watch)),
        Contender(f"Carousel, {DRAWN:,} words drawn", lambda watch: _ours(*shape, options.batch, watch, words=DRAWN)),
        Contender("plain loop", lambda watch: _plain(*shape, options.batch, watch, tied=False)),
        Contender("plain loop, tied output layer", lambda watch: _plain(*shape, options.batch, watch, tied=True)),
    ]
    running = [contender.steps(contender.watch) for contender in contenders]
    for steps in running:  # warm
        next(steps)
    for contender in contenders:
        contender.watch.seconds.clear()
    for _ in range(options.rounds):
        for contender, steps in zip(contenders, running, strict=True):
            began = contender.watch.at = time.perf_counter()
            for _ in range(STEPS_A_ROUND):
                next(steps)
            contender.rounds.append(time.perf_counter() - began)
    body = _told(contenders, options.batch * BPTT * STEPS_A_ROUND)
    command = f"python -m benchmarks.next_word.speed --embedding {shape[0]} --hidden {shape[1]} --batch {options.batch}"
    write_section(f"Training speed of next-word models, E{shape[0]} H{shape[1]}", command=command, body=body)
    print(body)


def _ours(embedding: int, hidden: int, batch: int, watch: Stopwatch, *, words: int = 0) -> Iterator[None]:
    """Steps of `training.loop`, with every dropout, clipping and the running average of the weights; `words` drawn, or all."""
    config = NextWordConfig(name="speed", data="", embedding=embedding, hidden=hidden, batch=batch)
    recurrence = Recurrence("lstm", hidden, dropout=config.dropout)
    shape = NextWordShape(recurrence, VOCABULARY, embedding, config.recurrent_dropout, config.word_dropout)
    network = NextWordModel(shape).train()
    optimizer, average = build_optimizer(network, config), AveragedModel(network, multi_avg_fn=moving_average(config.ema))
    chances = drawing_chances(torch.from_numpy(1e6 * _shares()), words)
    state: State | None = None
    for tokens, targets in _batches(batch):
        optimizer.zero_grad(set_to_none=True)
        vectors, after = network.read(tokens, state)
        state = (after[0].detach(), after[1].detach())
        watch.lap("embedding and LSTM, forward")
        loss = network.loss(vectors.flatten(0, 1), targets.flatten(), chances)
        watch.lap("output layer and loss, forward")
        loss.backward()
        watch.lap("backward")
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimizer.step()
        watch.lap("clipping and optimiser")
        average.update_parameters(network)
        loss.item()
        watch.lap("running average")
        yield


def _plain(embedding: int, hidden: int, batch: int, watch: Stopwatch, *, tied: bool) -> Iterator[None]:
    network = Plain(embedding, hidden, tied=tied).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    state: State | None = None
    for tokens, targets in _batches(batch):
        optimizer.zero_grad()
        logits, after = network(tokens, state)
        state = (after[0].detach(), after[1].detach())
        watch.lap("embedding, LSTM and output layer, forward")
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        watch.lap("loss, forward")
        loss.backward()
        watch.lap("backward")
        nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
        loss.item()
        watch.lap("clipping and optimiser")
        yield


def _batches(batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens and targets without end, as frequent as words are."""
    generator = np.random.default_rng(0)
    while True:
        ids = torch.from_numpy(generator.choice(VOCABULARY, (batch, BPTT + 1), p=_shares()))
        yield ids[:, :-1], ids[:, 1:].contiguous()


def _shares() -> NDArray[np.float64]:
    """Of each word in a text, by Zipf's law."""
    share = 1 / np.arange(1, VOCABULARY + 1)
    found: NDArray[np.float64] = share / share.sum()
    return found


def _told(contenders: list[Contender], tokens: int) -> str:
    speeds = {contender.name: float(np.median([tokens / seconds for seconds in contender.rounds])) for contender in contenders}
    ours = speeds["Carousel"]
    rows = [(name, f"{speed:,.0f}", f"{ours / speed:.2f}") for name, speed in speeds.items()]
    phases = [
        (contender.name, phase, f"{1000 * seconds / len(contender.rounds) / STEPS_A_ROUND:.1f}")
        for contender in contenders
        for phase, seconds in contender.watch.seconds.items()
    ]
    threads = f"{torch.get_num_threads()} threads, median of {len(contenders[0].rounds)} rounds in turns."
    return f"{threads}\n\n{table(('', 'tokens/s', 'Carousel is faster by'), rows)}\n\n{table(('', 'phase', 'ms a step'), phases)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the training speed of next-word models.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--embedding", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    return parser


if __name__ == "__main__":
    main()

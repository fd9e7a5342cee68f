"""The next-word model: tokens and state in, scores of the next token and the state after it out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.recurrence import Recurrence, State


@dataclass(frozen=True, slots=True)
class NextWordShape:
    """Architecture of a next-word model; `embedding` 0: one-hot words and an output layer of its own, else both ends share vectors."""

    recurrence: Recurrence
    vocabulary: int
    embedding: int


class NextWordModel(nn.Module):
    """Tokens -> logits of the token after each; the output layer is the embedding (Press & Wolf 2017; Inan et al. 2017)."""

    def __init__(self, shape: NextWordShape) -> None:
        super().__init__()
        self.shape = shape
        hidden = shape.recurrence.hidden
        self.recurrent = shape.recurrence.build(shape.embedding or shape.vocabulary)
        self.dropout = nn.Dropout(shape.recurrence.dropout)
        self.output = nn.Linear(shape.embedding or hidden, shape.vocabulary)
        if shape.embedding:
            self.embed = nn.Embedding(shape.vocabulary, shape.embedding)
            self.project = nn.Linear(hidden, shape.embedding)
            nn.init.uniform_(self.embed.weight, -0.1, 0.1)
            nn.init.zeros_(self.output.bias)
            self.output.weight = self.embed.weight

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits (batch, time, vocabulary) after each of `tokens` (batch, time), and the state after the last (layers, batch, hidden)."""
        outputs, after = self.read(tokens, state)
        return self.logits(outputs), after

    def read(self, tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The recurrent layers alone: outputs (batch, time, hidden) and the state."""
        if self.shape.embedding:
            vectors = self.dropout(self.embed(tokens))
        else:
            vectors = F.one_hot(tokens, self.shape.vocabulary).to(self.output.weight.dtype)
        outputs, after = self.recurrent(vectors, state)
        return self.dropout(outputs), after

    def logits(self, outputs: Tensor) -> Tensor:
        """Scores of every word from outputs (..., hidden)."""
        if self.shape.embedding:
            outputs = self.dropout(self.project(outputs))
        scores: Tensor = self.output(outputs)
        return scores


class NextWordGraph(nn.Module):
    """Reads tokens on from a state: log-probabilities of the next word, its best candidates without special tokens, and the state after."""

    def __init__(self, network: NextWordModel, *, top_k: int, hidden_ids: tuple[int, ...]) -> None:
        """`hidden_ids` are never among the candidates."""
        super().__init__()
        self.network = network
        self.top_k = top_k
        penalty = torch.zeros(network.shape.vocabulary)
        penalty[list(hidden_ids)] = -torch.inf
        self.register_buffer("penalty", penalty)

    def forward(self, tokens: Tensor, state_h: Tensor, state_c: Tensor | None = None) -> tuple[Tensor, ...]:
        """log_probs (batch, vocabulary), top_ids and top_log_probs (batch, top_k), and the states (batch, layers, hidden), h then c."""
        h = state_h.transpose(0, 1).contiguous()
        state = h if state_c is None else (h, state_c.transpose(0, 1).contiguous())
        outputs, after = self.network.read(tokens, state)
        log_probs = torch.log_softmax(self.network.logits(outputs[:, -1]), dim=-1)
        top_log_probs, top_ids = torch.topk(log_probs + self.get_buffer("penalty"), self.top_k, dim=-1)
        states = after if isinstance(after, tuple) else (after,)
        return (log_probs, top_ids, top_log_probs, *(part.transpose(0, 1).contiguous() for part in states))

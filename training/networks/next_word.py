"""The next-word model: tokens and state in, scores of the next token and the state after it out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.layers import run_dropping
from training.networks.locked import LockedDropout, drop_words
from training.networks.output_loss import output_loss, sampled_loss
from training.networks.recurrence import Recurrence, State


@dataclass(frozen=True, slots=True)
class NextWordShape:
    """Architecture of a next-word model; `embedding` 0: one-hot words and an output layer of its own, else both ends share vectors."""

    recurrence: Recurrence
    vocabulary: int
    embedding: int
    recurrent_dropout: float = 0.0
    word_dropout: float = 0.0


class NextWordModel(nn.Module):
    """Tokens -> logits of the token after each; the output layer is the embedding (Press & Wolf 2017; Inan et al. 2017)."""

    def __init__(self, shape: NextWordShape) -> None:
        super().__init__()
        self.shape = shape
        hidden = shape.recurrence.hidden
        self.recurrent = shape.recurrence.build(shape.embedding or shape.vocabulary)
        self.dropout = LockedDropout(shape.recurrence.dropout)
        self.output = nn.Linear(shape.embedding or hidden, shape.vocabulary)
        if shape.embedding:
            self.embed = nn.Embedding(shape.vocabulary, shape.embedding)
            self.project = nn.Linear(hidden, shape.embedding)
            self.project_dropout = LockedDropout(shape.recurrence.dropout / 2)
            nn.init.uniform_(self.embed.weight, -0.1, 0.1)
            nn.init.zeros_(self.output.bias)
            self.output.weight = self.embed.weight

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits (batch, time, vocabulary) after each of `tokens` (batch, time), and the state after the last (layers, batch, hidden)."""
        vectors, after = self.read(tokens, state)
        logits: Tensor = self.output(vectors)
        return logits, after

    def read(self, tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        """What the output layer is given after each of `tokens`: vectors (batch, time, width), and the state."""
        inputs = self._inputs(tokens)
        if self.training:
            shape = self.shape
            outputs, after = run_dropping(
                self.recurrent,
                inputs,
                state,
                recurrence=shape.recurrence,
                between=self.dropout,
                recurrent_dropout=shape.recurrent_dropout,
            )
        else:
            outputs, after = self.recurrent(inputs, state)
        outputs = self.dropout(outputs)
        return self.project_dropout(self.project(outputs)) if self.shape.embedding else outputs, after

    def loss(self, vectors: Tensor, targets: Tensor, chances: Tensor | None = None) -> Tensor:
        """Mean cross-entropy of `targets` (rows,) after `vectors` (rows, width); with `chances` estimated by words drawn with them."""
        layer = (vectors, self.output.weight, self.output.bias, targets)
        return output_loss(*layer) if chances is None else sampled_loss(*layer, chances)

    def _inputs(self, tokens: Tensor) -> Tensor:
        """What the recurrent layers read of tokens (batch, time)."""
        shape = self.shape
        if not shape.embedding:
            return F.one_hot(tokens, shape.vocabulary).to(self.output.weight.dtype)
        vectors: Tensor = self.embed(tokens)
        if self.training and shape.word_dropout:
            vectors = drop_words(vectors, tokens, vocabulary=shape.vocabulary, share=shape.word_dropout)
        dropped: Tensor = self.dropout(vectors)
        return dropped


class NextWordGraph(nn.Module):
    """Reads tokens on from a state: log-probabilities of the next word, its best candidates without special tokens, and the state after."""

    def __init__(self, network: NextWordModel, *, top_k: int, hidden_ids: tuple[int, ...], vectors: bool = False) -> None:
        """`hidden_ids` are never among the candidates; `vectors`: the vector behind each token is given, too, for a pointer to it."""
        super().__init__()
        self.network = network
        self.top_k = top_k
        self.vectors = vectors
        penalty = torch.zeros(network.shape.vocabulary)
        penalty[list(hidden_ids)] = -torch.inf
        self.register_buffer("penalty", penalty)

    def forward(self, tokens: Tensor, state_h: Tensor, state_c: Tensor | None = None) -> tuple[Tensor, ...]:
        """log_probs (batch, vocabulary), top_ids and top_log_probs (batch, top_k), and the states (batch, layers, hidden), h then c.

        With `vectors` these last, (batch, time, width), of unit length.
        """
        h = state_h.transpose(0, 1).contiguous()
        state = h if state_c is None else (h, state_c.transpose(0, 1).contiguous())
        vectors, after = self.network.read(tokens, state)
        log_probs = torch.log_softmax(self.network.output(vectors[:, -1]), dim=-1)
        top_log_probs, top_ids = torch.topk(log_probs + self.get_buffer("penalty"), self.top_k, dim=-1)
        states = after if isinstance(after, tuple) else (after,)
        behind = (F.normalize(vectors, dim=-1),) if self.vectors else ()
        return (log_probs, top_ids, top_log_probs, *(part.transpose(0, 1).contiguous() for part in states), *behind)

"""How likely a graph held each token of a held-out text, and how many words it held likelier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.golden import Tensors
from service.contract.manifest import Pointer
from training.data.token_batches import Ids
from training.export import Run
from training.learners.pointer import Pointing
from training.metrics import perplexity, top_k_accuracy

Values = NDArray[np.float32]

ROWS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Ranked:
    """Of each token (tokens,): its log-probability, its id, and how many words were held likelier."""

    log_probs: NDArray[np.float64]
    targets: Ids
    ranks: NDArray[np.int64]

    def words(self, hidden_ids: Sequence[int]) -> NDArray[np.bool_]:
        """Which of them are words, not special tokens."""
        return ~np.isin(self.targets, list(hidden_ids))

    def scores(self, hidden_ids: Sequence[int]) -> dict[str, float]:
        """Perplexity over all, and top-1 and top-3 accuracy over the words."""
        ranks = self.ranks[self.words(hidden_ids)]
        return {
            "perplexity": perplexity(-float(self.log_probs.sum()), len(self.targets)),
            "top1": top_k_accuracy(ranks, 1),
            "top3": top_k_accuracy(ranks, 3),
        }


def rank(log_probs: Values, targets: Ids, hidden_ids: Sequence[int]) -> Ranked:
    """Targets (rows,) among log-probabilities (rows, vocabulary), of which those of `hidden_ids` are never suggested."""
    own = log_probs[np.arange(len(targets)), targets]
    likelier = log_probs > own[:, None]
    likelier[:, list(hidden_ids)] = False
    return Ranked(own.astype(np.float64), targets, likelier.sum(axis=1))


def rank_rows(
    run: Run, rows: Sequence[Ids], *, start: Callable[[int], Tensors], hidden_ids: Sequence[int], pointer: Pointer | None = None
) -> tuple[Ranked, Ranked | None]:
    """Every token but the first of `rows`, the longest first, as `run` reads them one after the other: by itself, and with its pointer.

    `start` gives the state in which some rows begin.
    """
    alone: list[Ranked] = []
    pointed: list[Ranked] = []
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        group = rows[begin : begin + ROWS_AT_ONCE]
        pointing = Pointing(pointer, len(group)) if pointer else None
        for outputs, targets in _steps(run, group, start(len(group))):
            alone.append(rank(outputs["log_probs"], targets, hidden_ids))
            if pointing is not None:
                vectors = outputs["vectors"][:, -1]
                pointed.append(rank(pointing.mixed(outputs["log_probs"], vectors), targets, hidden_ids))
                pointing.add(vectors, targets)
    return joined(alone), joined(pointed) if pointed else None


def beginnings(rows: Sequence[Ids], *, most: int) -> list[Ids]:
    """The beginning of each row, about `most` tokens altogether."""
    tokens = sum(len(row) - 1 for row in rows)
    if tokens <= most:
        return list(rows)
    return [row[: 1 + max(1, (len(row) - 1) * most // tokens)] for row in rows]


def joined(pieces: Iterable[Ranked]) -> Ranked:
    """All pieces as one."""
    columns = zip(*((piece.log_probs, piece.targets, piece.ranks) for piece in pieces), strict=True)
    return Ranked(*(np.concatenate(column) for column in columns))


def _steps(run: Run, rows: Sequence[Ids], state: Tensors) -> Iterator[tuple[Tensors, Ids]]:
    """What the graph gives after each token of rows, and the tokens that follow; rows that have ended are left out."""
    lengths = np.array([len(row) - 1 for row in rows])
    for step in range(lengths[0]):
        reading = int((lengths > step).sum())
        tokens = np.array([[row[step]] for row in rows[:reading]])
        outputs = run({"tokens": tokens, **{name: array[:reading] for name, array in state.items()}})
        state = {name.removeprefix("next_"): array for name, array in outputs.items() if name.startswith("next_")}
        yield outputs, np.array([row[step + 1] for row in rows[:reading]])

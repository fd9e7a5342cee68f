"""Next-word models with real LSTMs to write texts with, and what torch says with the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.contract.manifest import Pointer
from service.contract.tokenizer import WordTokenizer
from tests import artifacts, recurrent
from tests.artifacts import Tiny
from tests.subword_model import next_subword

WRITER = recurrent.next_word()
"""Version 2 of `writer`."""
TOKENIZER = WRITER.tokenizer
assert isinstance(TOKENIZER, WordTokenizer)
IDS = {word: number for number, word in enumerate(TOKENIZER.words)}


def publish_writers(root: Path) -> None:
    """`writer` in two versions, of which 1 is `old`; one with a pointer; one of subwords; and a model that writes nothing."""
    artifacts.publish(root, "writer", recurrent.next_word(seed=1))
    artifacts.publish(root, "writer", WRITER)
    (root / "writer" / "labels.json").write_text(json.dumps({"old": 1}))
    artifacts.publish(root, "pointing", recurrent.next_word(pointer=Pointer(window=100, sharpness=2.0, share=0.5)))
    artifacts.publish(root, "pieces", next_subword())
    artifacts.publish(root, "classes", artifacts.classifier())


def torch_log_probs(tiny: Tiny, ids: list[int]) -> NDArray[np.float32]:
    """What follows each of these tokens, (tokens, vocabulary), computed by `torch.nn.LSTM` with the weights of the graph."""
    import torch

    weights = {name: torch.from_numpy(np.array(array)) for name, array in tiny.constants.items()}
    lstm = torch.nn.LSTM(recurrent.EMBEDDING, recurrent.HIDDEN, bias=False, batch_first=True)
    with torch.no_grad():
        for own, name in ((lstm.weight_ih_l0, "W"), (lstm.weight_hh_l0, "R")):
            into, out, forget, cell = weights[name][0].chunk(4)  # the order of ONNX
            own.copy_(torch.cat([into, forget, cell, out]))
        vectors, _ = lstm(weights["table"][ids][None])  # (1, tokens, hidden)
        log_probs: NDArray[np.float32] = torch.log_softmax(vectors[0] @ weights["output"], dim=-1).numpy()
    return log_probs


def greedy(ids: list[int], count: int) -> list[int]:
    """Tokens that torch's model holds for the likeliest behind these, `count` or up to the line end; the unknown word is never written."""
    written: list[int] = []
    while len(written) < count and (not written or written[-1] != TOKENIZER.end_id):
        log_probs = torch_log_probs(WRITER, [*ids, *written])[-1].copy()
        log_probs[TOKENIZER.unknown_id] = -np.inf
        written.append(int(log_probs.argmax()))
    return written

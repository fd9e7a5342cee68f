"""A next-word model of subwords, too small to need training: `artifacts.next_word` with pieces of words in the place of words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from service.contract.manifest import NextWordTask
from service.contract.subwords import SubwordTokenizer
from tests import artifacts

LINES = [
    "The cat sat on the mat, the cats sat there.",
    "Don't let the catalogue out, said the man (on 3.50).",
    "한국 사람이 한국말을 한다. 하늘이 하얗다!",
    "가방에 각자 과자가 있다, 값이 비싸다.",
]
TOKENIZER = SubwordTokenizer.train(LINES * 4, vocabulary=380)


def next_subword() -> artifacts.Tiny:
    """Piece n + 1 follows piece n."""
    plain = artifacts.next_word()
    size = len(TOKENIZER)
    widened = {"log_probs": (-1, size)}
    outputs = tuple(spec.model_copy(update={"shape": widened.get(spec.name, spec.shape)}) for spec in plain.outputs)
    return replace(
        plain,
        task=NextWordTask(vocabulary=size, top_k=3, end_id=TOKENIZER.end_id, unknown_id=TOKENIZER.unknown_id, tokens="subwords"),
        outputs=outputs,
        constants={**plain.constants, "table": np.roll(np.eye(size, dtype=np.float32), 1, axis=1) * 5},
        tokenizer=TOKENIZER,
    )
